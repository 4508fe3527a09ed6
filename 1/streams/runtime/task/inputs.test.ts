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
  /** As the log would say that it ends where everything offered ends. */
  const look = (ends: Readonly<Record<string, number>> = {}): void => {
    const offered = inputs.offered()
    inputs.seen({ atMs: 0, offered, ends: new Map([...offered, ...Object.entries(ends)]) })
  }
  /** What the next round of at most so many would handle. */
  const read = (recordsMax: number): string[] => {
    const taken = inputs.take(recordsMax)
    for (const one of taken) inputs.handled(one)
    inputs.settle()
    return taken.map(place)
  }
  look()
  return { inputs, flows, look, read }
}

describe('the inputs of a task', () => {
  it('are paused by the weight of what waits, too, and resumed at half of it', () => {
    const { inputs, flows, look, read } = make(100, 3000)
    inputs.offer('a', [heavy(0), heavy(1)], 2)
    expect(flows).toEqual([])
    inputs.offer('a', [heavy(2)], 3)
    expect(flows).toEqual(['pause a'])
    look()
    read(1)
    expect(flows).toEqual(['pause a'])
    read(1)
    expect(flows).toEqual(['pause a', 'resume a'])
  })

  it('are merged by record time, ties by topic name, and keep the order inside a topic', () => {
    const { inputs, look, read } = make(100)
    inputs.offer('b', [record('b', 0, 10), record('b', 1, 5)], 2)
    inputs.offer('a', [record('a', 0, 10), record('a', 1, 11)], 2)
    look()
    expect(read(10)).toEqual(['a0', 'b0', 'b1', 'a1'])
  })

  it('move on past control records once everything before them was taken', () => {
    const { inputs, look, read } = make()
    inputs.offer('a', [record('a', 0, 1), record('a', 1, 1)], 5)
    look()
    read(1)
    expect(inputs.nextOffsets().get('a')).toBe(1)
    read(1)
    expect(inputs.nextOffsets().get('a')).toBe(5)
    inputs.offer('a', [], 9)
    expect(inputs.nextOffsets().get('a')).toBe(9)
  })

  it('ask to be paused when full and to be resumed when half empty', () => {
    const { inputs, flows, look, read } = make(4)
    inputs.offer(
      'a',
      [0, 1, 2, 3].map((offset) => record('a', offset, offset)),
      4,
    )
    expect(flows).toEqual(['pause a'])
    look()
    read(1)
    expect(flows).toEqual(['pause a'])
    read(1)
    expect(flows).toEqual(['pause a', 'resume a'])
  })

  it('drop what they have already been offered, and start anew where a reset puts them', () => {
    const { inputs, look, read } = make(100)
    inputs.offer('a', [record('a', 0, 1), record('a', 1, 1)], 2)
    inputs.offer('a', [record('a', 1, 1), record('a', 2, 1)], 3)
    look()
    expect(read(9)).toEqual(['a0', 'a1', 'a2'])
    inputs.reset('a', 1)
    inputs.offer('a', [record('a', 1, 1)], 2)
    look()
    expect(read(9)).toEqual(['a1'])
  })

  it('keep what a round took and did not handle, in its place and with its weight', () => {
    const { inputs, look, read, flows } = make(100, 3000)
    inputs.offer('a', [heavy(0), heavy(1), heavy(2)], 3)
    look()
    const [first] = inputs.take(3)
    if (first !== undefined) inputs.handled(first)
    inputs.settle()
    expect(inputs.size).toBe(2)
    expect(inputs.nextOffsets().get('a')).toBe(1)
    expect(read(9)).toEqual(['a1', 'a2'])
    inputs.offer('a', [heavy(3)], 4)
    expect(flows).toEqual(['pause a', 'resume a'])
  })

  it('fault R13: wait for an input that has records on the log and none in the buffer', () => {
    const { inputs, look, read } = make(100)
    look({ a: 1, b: 1 })
    inputs.offer('b', [record('b', 0, 20)], 1)
    expect(read(9)).toEqual([])
    inputs.offer('a', [record('a', 0, 10)], 1)
    expect(read(9)).toEqual(['a0', 'b0'])
  })

  it('fault R13: are not read beyond what the log was asked of, and say so', () => {
    const { inputs, look, read } = make(100)
    inputs.offer('b', [record('b', 0, 20)], 1)
    expect(read(9)).toEqual([])
    expect(inputs.needSightToMerge()).toBe(true)
    look({ a: 1 })
    expect(inputs.needSightToMerge()).toBe(false)
    inputs.offer('a', [record('a', 0, 10)], 1)
    expect(read(9)).toEqual(['a0', 'b0'])
  })

  it('fault R13: merge what the log held in one order, whatever the sizes of fetches and rounds', () => {
    const times = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 })
    const sizes = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 5 })))
    fc.assert(
      fc.property(times, times, sizes, fc.integer({ min: 1, max: 7 }), (as, bs, fetches, roundMax) => {
        const order = (plan: readonly (readonly [string, number])[], takeMax: number): string[] => {
          const { inputs, look, read } = make(1000)
          const held = { a: as.map((at, n) => record('a', n, at)), b: bs.map((at, n) => record('b', n, at)) }
          look({ a: as.length, b: bs.length })
          const taken: string[] = []
          for (const [topic, count] of [...plan, ['b', 99] as const, ['a', 99] as const]) {
            const fetched = (topic === 'a' ? held.a : held.b).splice(0, count)
            const last = fetched.at(-1)
            if (last !== undefined) inputs.offer(topic, fetched, last.offset + 1)
            taken.push(...read(takeMax))
          }
          while (inputs.size > 0) taken.push(...read(takeMax))
          return taken
        }
        expect(order(fetches, roundMax)).toEqual(order([], 1000))
      }),
    )
  })
})
