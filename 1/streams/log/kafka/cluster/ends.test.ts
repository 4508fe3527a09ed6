import { describe, expect, it } from 'vitest'
import { partitionKey, type TopicPartition } from '../../port.ts'
import { BrokerError, LEADER_NOT_AVAILABLE } from './broker-error.ts'
import { type End, Ends } from './ends.ts'

interface Question {
  readonly nodeId: number
  readonly keys: readonly string[]
  answer(ends: Readonly<Record<string, End | BrokerError>>): void
  lose(error: Error): void
}

/** Partition n of any topic is led by node n; a test answers each question when it likes. */
function scene() {
  const questions: Question[] = []
  const leaders = {
    knownLeader: (_: string, partition: number) => partition,
    leaderOf: (_: string, partition: number) => Promise.resolve(partition),
  }
  const ends = new Ends(
    leaders,
    (nodeId, at) =>
      new Promise((resolve, reject) => {
        questions.push({
          nodeId,
          keys: at.map(partitionKey),
          answer: (found) => resolve(new Map(Object.entries(found))),
          lose: reject,
        })
      }),
  )
  const ask = (...names: readonly string[]) => ends.of(names.map(at))
  return { questions, ask }
}

function at(name: string): TopicPartition {
  const [topic = '', partition = ''] = name.split(':')
  return { topic, partition: Number(partition) }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('where partitions end', () => {
  it('is asked once by all who want to know at the same time, each partition by its name once', async () => {
    const { questions, ask } = scene()
    const [first, second] = [ask('a:1', 'b:1'), ask('b:1', 'c:1')]
    await settled()
    expect(questions.map(({ keys }) => keys)).toEqual([['a:1', 'b:1', 'c:1']])
    questions[0]?.answer({ 'a:1': { end: 1 }, 'b:1': { end: 2 }, 'c:1': { end: 3 } })
    expect([...(await first)]).toEqual([
      ['a:1', { end: 1 }],
      ['b:1', { end: 2 }],
    ])
    expect([...(await second)]).toEqual([
      ['b:1', { end: 2 }],
      ['c:1', { end: 3 }],
    ])
  })

  it('is told to nobody by an answer to an earlier question', async () => {
    const { questions, ask } = scene()
    const first = ask('a:1')
    await settled()
    const [later, latest] = [ask('a:1'), ask('a:1')]
    questions[0]?.answer({ 'a:1': { end: 1 } })
    await first
    await settled()
    expect(questions).toHaveLength(2)
    questions[1]?.answer({ 'a:1': { end: 7 } })
    expect([(await later).get('a:1'), (await latest).get('a:1')]).toEqual([{ end: 7 }, { end: 7 }])
  })

  it('a leader that does not answer holds up only those who ask for its partitions', async () => {
    const { questions, ask } = scene()
    const held = ask('a:1')
    await settled()
    const other = ask('a:2')
    await settled()
    questions.find(({ nodeId }) => nodeId === 2)?.answer({ 'a:2': { end: 5 } })
    expect((await other).get('a:2')).toEqual({ end: 5 })
    questions.find(({ nodeId }) => nodeId === 1)?.lose(new Error('lost'))
    await expect(held).rejects.toThrow('lost')
  })

  it('a partition that is refused fails those who asked for it, and a question that is lost all', async () => {
    const { questions, ask } = scene()
    const both = Promise.allSettled([ask('a:1'), ask('b:1')])
    await settled()
    questions[0]?.answer({ 'a:1': new BrokerError(LEADER_NOT_AVAILABLE, 'ListOffsets'), 'b:1': { end: 4 } })
    expect(await both).toEqual([
      { status: 'rejected', reason: new BrokerError(LEADER_NOT_AVAILABLE, 'ListOffsets') },
      { status: 'fulfilled', value: new Map([['b:1', { end: 4 }]]) },
    ])
    const again = ask('a:1')
    await settled()
    questions[1]?.answer({})
    await expect(again).rejects.toThrow('a:1')
  })
})
