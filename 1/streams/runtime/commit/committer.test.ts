import { describe, expect, it } from 'vitest'
import { memoryLog, type MemoryLog } from '../../log/memory.ts'
import { LogError, type LogClient, type Membership, type OutRecord, type Written } from '../../log/port.ts'
import { sleep } from '../../platform/backoff.ts'
import { systemClock } from '../clock.ts'
import { DEFAULT_LIMITS } from '../limits.ts'
import { readAll, until } from '../testing/counting.suite.ts'
import { Committer } from './committer.ts'
import { Ownership, type Part } from './part.ts'

const TOPIC = 'out'
const INPUT = 'in'
const PARTITIONS = 4
const GROUPS = ['job', 'other']

interface Scene {
  readonly log: MemoryLog
  readonly owner: (group?: string) => Ownership
  readonly part: (partition: number, value: string, extra?: Partial<Part>) => Part
  readonly committer: Committer
  readonly commits: { records: number; moves: number }[]
  readonly outdated: string[]
}

/** Parts that are handed in at the same time meet in one transaction: it begins a moment later. */
async function scene(wrap: (log: LogClient) => LogClient = (log) => log): Promise<Scene> {
  const log = memoryLog()
  const spec = { partitions: PARTITIONS, replicas: 1, config: {} }
  await log.admin.ensureTopics([TOPIC, INPUT].map((name) => ({ name, ...spec })))
  const commits: { records: number; moves: number }[] = []
  const outdated: string[] = []
  const watched: LogClient = {
    ...log,
    transactions: (options) => {
      const inner = log.transactions(options)
      return {
        fence: () => inner.fence(),
        close: () => inner.close(),
        commit: (batch) => {
          commits.push({ records: batch.records.length, moves: batch.moves.length })
          return inner.commit(batch)
        },
      }
    },
  }
  const committer = new Committer({
    log: wrap(watched),
    transactionalId: 'test',
    clock: systemClock,
    limits: { ...DEFAULT_LIMITS, commitMs: 20, quietCommitMs: 5 },
    hooks: { outdated: (task) => outdated.push(`${task.topology}.${task.partition}`) },
  })
  const members = new Map(await Promise.all(GROUPS.map((group) => memberOf(log, group))))
  const owner = (group = 'job'): Ownership => new Ownership(() => members.get(group)?.())
  const part: Scene['part'] = (partition, value, extra = {}) => ({
    task: { topology: 'job', partition },
    group: 'job',
    owner: owner(extra.group),
    records: [record(partition, value)],
    cursors: () => [{ topic: INPUT, partition, next: 1, metadata: value }],
    ...extra,
  })
  return { log, owner, part, committer, commits, outdated }
}

async function memberOf(log: MemoryLog, group: string): Promise<[string, () => Membership | undefined]> {
  const ignored = { onAssigned: () => {}, onRecords: () => {}, onFailed: () => {} }
  const consumer = log.consumer({ group, topics: [INPUT], ...ignored })
  await consumer.start()
  await until(() => consumer.member() !== undefined, 'a generation')
  return [group, () => consumer.member()]
}

const record = (partition: number, value: string): OutRecord => ({
  topic: TOPIC,
  partition,
  key: null,
  value,
  timestamp: 1,
})

const noCursors = (): never => {
  throw new RangeError('no cursors')
}

const valuesIn = async (log: MemoryLog): Promise<readonly string[]> =>
  (await readAll(log, TOPIC, PARTITIONS)).map(({ value }) => String(value))

const outcomeOf = (committing: Promise<Written>): Promise<unknown> =>
  committing.then(
    () => 'committed',
    (error: unknown) => (error instanceof LogError ? error.code : error),
  )

describe('parts that are handed in together', () => {
  it('are committed in one transaction, each group by one move', async () => {
    const { log, part, committer, commits } = await scene()
    await Promise.all([
      committer.commit(part(0, 'a')),
      committer.commit(part(1, 'b')),
      committer.commit(part(2, 'c', { group: 'other' })),
    ])
    expect(commits).toEqual([{ records: 3, moves: 2 }])
    expect(await valuesIn(log)).toEqual(['a', 'b', 'c'])
    await committer.close()
  })

  it('do without the one whose cursors cannot be told', async () => {
    const { log, part, committer } = await scene()
    const outcomes = await Promise.all(
      [part(0, 'a'), part(1, 'b', { cursors: noCursors }), part(2, 'c')].map((one) =>
        outcomeOf(committer.commit(one)),
      ),
    )
    expect(outcomes).toEqual(['committed', new RangeError('no cursors'), 'committed'])
    expect(await valuesIn(log)).toEqual(['a', 'c'])
    expect(log.openTransactions()).toEqual([])
  })

  it('do without the one that the log refuses for good', async () => {
    const { log, part, committer } = await scene()
    const large = { records: [record(1, 'x'.repeat(2_000_000))] }
    const outcomes = await Promise.all(
      [part(0, 'a'), part(1, 'b', large), part(2, 'c')].map((one) => outcomeOf(committer.commit(one))),
    )
    expect(outcomes).toEqual(['committed', 'fatal', 'committed'])
    expect(await valuesIn(log)).toEqual(['a', 'c'])
  })

  it('do without the one whose partition is lost, also when it is lost while it is written', async () => {
    const { log, part, committer, owner: newOwner } = await scene()
    const [owner, lost] = [newOwner(), newOwner()]
    lost.lose()
    const cursors: Part['cursors'] = () => {
      owner.lose()
      return []
    }
    const first = part(0, 'a', { cursors })
    const outcomes = await Promise.all(
      [first, part(1, 'b', { owner: lost }), part(2, 'c', { owner }), part(3, 'd')].map((one) =>
        outcomeOf(committer.commit(one)),
      ),
    )
    expect(outcomes).toEqual(['committed', 'fenced', 'fenced', 'committed'])
    expect(await valuesIn(log)).toEqual(['a', 'd'])
  })
})

describe('a part that its group refuses', () => {
  it('waits for another generation, while the parts of other groups are committed', async () => {
    const { log, part, committer, outdated } = await scene()
    let generation = 400
    const owner = new Ownership(() => ({ memberId: 'm', generation }))
    const waiting = outcomeOf(committer.commit(part(0, 'a', { owner })))
    expect(await outcomeOf(committer.commit(part(1, 'b', { group: 'other' })))).toBe('committed')
    await until(() => outdated.length === 1, 'the refusal')
    expect(await outcomeOf(committer.commit(part(2, 'c', { group: 'other' })))).toBe('committed')
    expect(await valuesIn(log)).toEqual(['b', 'c'])
    generation += 1
    committer.reassigned()
    await until(() => outdated.length === 2, 'the next refusal')
    owner.lose()
    committer.reassigned()
    expect(await waiting).toBe('fenced')
    await committer.close()
    expect(await valuesIn(log)).toEqual(['b', 'c'])
  })
})

describe('a transaction that fails', () => {
  it('fails all that was in it, and the next one begins with a fence', async () => {
    let isUnknown = true
    let fences = 0
    const { log, part, committer } = await scene((inner) => ({
      ...inner,
      transactions: (options) => {
        const one = inner.transactions(options)
        return {
          close: () => one.close(),
          fence: () => {
            fences += 1
            return one.fence()
          },
          commit: (batch) =>
            isUnknown ? Promise.reject(new LogError('unknown', 'no answer')) : one.commit(batch),
        }
      },
    }))
    const both = [committer.commit(part(0, 'a')), committer.commit(part(1, 'b'))].map(outcomeOf)
    expect(await Promise.all(both)).toEqual(['unknown', 'unknown'])
    isUnknown = false
    await committer.ready()
    expect(fences).toBe(2)
    await committer.commit(part(0, 'a'))
    expect(await valuesIn(log)).toEqual(['a'])
  })

  it('is of unknown outcome to its parts when somebody has ended its writer, and the next one goes', async () => {
    const { log, part, committer } = await scene()
    await committer.commit(part(0, 'a'))
    await log.transactions({ transactionalId: 'test', timeoutMs: 1000 }).fence()
    expect(await outcomeOf(committer.commit(part(0, 'b')))).toBe('unknown')
    expect(await outcomeOf(committer.commit(part(0, 'c')))).toBe('committed')
    expect(await valuesIn(log)).toEqual(['a', 'c'])
  })

  it('is ended for another writer that is gone, once however many ask', async () => {
    const { log, part, committer } = await scene()
    log.begin('gone').write([record(0, 'open')])
    await Promise.all([committer.end('gone'), committer.end('gone')])
    await sleep(0)
    expect(log.openTransactions()).toEqual([])
    await committer.commit(part(0, 'a'))
    expect(await valuesIn(log)).toEqual(['a'])
  })
})
