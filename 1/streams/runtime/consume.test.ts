import { describe, expect, it } from 'vitest'
import { memoryLog } from '../log/memory.ts'
import type { MemoryFaults } from '../log/memory/faults.ts'
import { partitionKey } from '../log/port.ts'
import { consume } from './consume.ts'
import { metadataOf, startFrom } from './consuming/consumer-cursor.ts'
import { consumeSuite } from './testing/consume.suite.ts'
import { until } from './testing/counting.suite.ts'

let names = 0
let shared = memoryLog()
consumeSuite('the in-memory log', {
  connect: () => Promise.resolve(shared.connect()),
  unique: (name) => `${name}-${(names += 1)}`,
})

const AT = { topic: 'plain', partition: 0 }

const cursor = (next: number, topicId?: string) => ({ ...AT, next, metadata: metadataOf(topicId) })

describe('where reading goes on', () => {
  it.each([
    ['without a cursor', undefined, { start: 3, end: 9 }, 3],
    ['at the cursor', cursor(5), { start: 3, end: 9 }, 5],
    ['at the first record that is left', cursor(1), { start: 3, end: 9 }, 3],
    ['at the cursor of the same topic', cursor(5, 'a'), { start: 3, end: 9, topicId: 'a' }, 5],
    ['fault R2: at the start of a topic made again', cursor(5, 'a'), { start: 0, end: 9, topicId: 'b' }, 0],
    ['at the end of a topic that has lost its end', cursor(50, 'a'), { start: 0, end: 9, topicId: 'a' }, 9],
    [
      'fault R8: where the same topic was cut back, though it has grown since',
      { ...cursor(8, 'a'), cutBackTo: 4 },
      { start: 0, end: 9, topicId: 'a' },
      4,
    ],
    ['at the start when the ids are not told', cursor(50), { start: 2, end: 9 }, 2],
    [
      'at a cursor that another tool moved',
      { ...cursor(5), metadata: 'x' },
      { start: 0, end: 9, topicId: 'b' },
      5,
    ],
  ])('%s', (_, committed, bounds, next) => {
    expect(startFrom(committed, bounds)).toBe(next)
  })
})

describe('consume under faults of the log', () => {
  it('moves a cursor later when the commit was lost and no further record comes', async () => {
    const faults: MemoryFaults = {}
    shared = memoryLog({ faults })
    const log = shared
    await log.admin.ensureTopics([{ name: AT.topic, partitions: 1, replicas: 1, config: {} }])
    let lost = 0
    faults.cursorsLost = () => (lost += 1) <= 2
    const told: number[] = []
    const consumption = await consume({
      log,
      group: 'readers',
      topics: [AT.topic],
      handle: () => Promise.resolve(),
      recordsMax: 3,
      sleep: () => Promise.resolve(),
      random: () => 0.5,
      onFault: (_, __, attempt) => told.push(attempt),
      onFailed: () => {},
    })
    await log.writer().write([{ ...AT, key: 'k', value: 'v', timestamp: 1 }])
    const next = async () => (await log.admin.committed('readers', [AT])).get(partitionKey(AT))?.next
    await until(async () => (await next()) === 1, 'the cursor')
    expect(told).toEqual([1, 2])
    await consumption.close()
  })
})
