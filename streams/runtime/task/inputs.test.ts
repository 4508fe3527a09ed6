import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LogRecord } from '../../log/port.ts'
import { Inputs } from './inputs.ts'

const record = (topic: string, offset: number, timestamp: number): LogRecord => ({
  topic,
  partition: 0,
  offset,
  timestamp,
  key: null,
  value: null,
  headers: {},
})
const heavy = (offset: number) => ({ ...record('a', offset, offset), value: Buffer.alloc(1000) })
const place = (given: LogRecord): string => `${given.topic}${given.offset}`
const make = (max = 4, bytesPerTopicMax = 1_000_000) => {
  const flows: string[] = []
  const inputs = new Inputs(['b', 'a'], { bytesPerTopicMax, recordsPerTopicMax: max }, (topic, flow) =>
    flows.push(`${flow} ${topic}`),
  )
  return { inputs, flows }
}

describe('the inputs of a task', () => {
  it('are paused by the weight of what waits, too, and resumed at half of it', () => {
    const { inputs, flows } = make(100, 3000)
    inputs.offer('a', [heavy(0), heavy(1)], 2)
    expect(flows).toEqual([])
    inputs.offer('a', [heavy(2)], 3)
    expect(flows).toEqual(['pause a'])
    inputs.take(1)
    expect(flows).toEqual(['pause a'])
    inputs.take(1)
    expect(flows).toEqual(['pause a', 'resume a'])
  })

  it('are merged by record time, ties by topic name, and keep the order inside a topic', () => {
    const { inputs } = make(100)
    inputs.offer('b', [record('b', 0, 10), record('b', 1, 5)], 2)
    inputs.offer('a', [record('a', 0, 10), record('a', 1, 11)], 2)
    expect(inputs.take(10).map(place)).toEqual(['a0', 'b0', 'b1', 'a1'])
  })

  it('move on past control records once everything before them was taken', () => {
    const { inputs } = make()
    inputs.offer('a', [record('a', 0, 1), record('a', 1, 1)], 5)
    inputs.take(1)
    expect(inputs.nextOffsets().get('a')).toBe(1)
    inputs.take(1)
    expect(inputs.nextOffsets().get('a')).toBe(5)
    inputs.offer('a', [], 9)
    expect(inputs.nextOffsets().get('a')).toBe(9)
  })

  it('ask to be paused when full and to be resumed when half empty', () => {
    const { inputs, flows } = make(4)
    inputs.offer(
      'a',
      [0, 1, 2, 3].map((offset) => record('a', offset, offset)),
      4,
    )
    expect(flows).toEqual(['pause a'])
    inputs.take(1)
    expect(flows).toEqual(['pause a'])
    inputs.take(1)
    expect(flows).toEqual(['pause a', 'resume a'])
  })

  it('drop what they have already been offered, and start anew where a reset puts them', () => {
    const { inputs } = make(100)
    inputs.offer('a', [record('a', 0, 1), record('a', 1, 1)], 2)
    inputs.offer('a', [record('a', 1, 1), record('a', 2, 1)], 3)
    expect(inputs.take(9).map(place)).toEqual(['a0', 'a1', 'a2'])
    inputs.reset('a', 1)
    inputs.offer('a', [record('a', 1, 1)], 2)
    expect(inputs.take(9).map(place)).toEqual(['a1'])
  })

  it('merge a full backlog in the same order whatever the sizes of the fetches', () => {
    const times = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 })
    fc.assert(
      fc.property(times, times, fc.integer({ min: 1, max: 7 }), (as, bs, rounds) => {
        const order = (takeMax: number) => {
          const { inputs } = make(1000)
          inputs.offer(
            'a',
            as.map((at, offset) => record('a', offset, at)),
            as.length,
          )
          inputs.offer(
            'b',
            bs.map((at, offset) => record('b', offset, at)),
            bs.length,
          )
          const taken: string[] = []
          while (inputs.size > 0) taken.push(...inputs.take(takeMax).map(place))
          return taken
        }
        expect(order(rounds)).toEqual(order(1000))
      }),
    )
  })
})
