import { describe, expect, test } from 'vitest'
import { memoryLog, type MemoryLog } from '../../../streams/log/memory.ts'
import type { MemoryFaults } from '../../../streams/log/memory/faults.ts'
import type { LogRecord } from '../../../streams/log/port.ts'
import { PublishedMarks } from './published-marks.ts'
import { ensureTopics } from '../testing/scene.suite.ts'

const COMMANDS = 'smpp.operator'
const at = (partition: number) => ({ topic: COMMANDS, partition })
const record = (partition: number, offset: number, timestamp: number): LogRecord => ({
  ...at(partition),
  offset,
  timestamp,
  key: null,
  value: null,
  headers: {},
})

async function logWithTopics(faults: MemoryFaults = {}): Promise<MemoryLog> {
  const log = memoryLog({ faults })
  await ensureTopics(log)
  return log
}

const marksOn = (log: MemoryLog, group = 'group'): PublishedMarks =>
  new PublishedMarks(log, group, log.writer())

async function readAgain(log: MemoryLog, group?: string): Promise<PublishedMarks> {
  const publishedMarks = marksOn(log, group)
  await publishedMarks.refresh()
  return publishedMarks
}

describe('marks', () => {
  test('[P7] what lies at or below a mark is covered, also for the next process', async () => {
    const log = await logWithTopics()
    await marksOn(log).advance(at(1), 7, 700)
    const publishedMarks = await readAgain(log)
    expect([0, 7, 8].map((offset) => publishedMarks.covers(record(1, offset, 700)))).toEqual([
      true,
      true,
      false,
    ])
    expect(publishedMarks.covers(record(2, 0, 0))).toBe(false)
  })

  test('the very first record has offset 0, and its mark is readable', async () => {
    const log = await logWithTopics()
    await marksOn(log).advance(at(0), 0, 5)
    expect((await readAgain(log)).covers(record(0, 0, 5))).toBe(true)
  })

  test('a mark of another group covers nothing', async () => {
    const log = await logWithTopics()
    await marksOn(log, 'other').advance(at(0), 9, 900)
    expect((await readAgain(log, 'group')).covers(record(0, 1, 1))).toBe(false)
  })

  test('a replay does not move the mark back, nor does the late mark of a former owner', async () => {
    const log = await logWithTopics()
    const former = marksOn(log)
    await former.advance(at(0), 4, 400)
    const owner = await readAgain(log)
    await owner.advance(at(0), 9, 900)
    await owner.advance(at(0), 2, 200)
    await former.advance(at(0), 5, 500)
    expect((await readAgain(log)).covers(record(0, 9, 900))).toBe(true)
  })

  test('records are covered although their times do not ascend', async () => {
    const log = await logWithTopics()
    const publishedMarks = marksOn(log)
    await publishedMarks.advance(at(0), 3, 900)
    await publishedMarks.advance(at(0), 6, 500)
    const next = await readAgain(log)
    expect([record(0, 3, 900), record(0, 6, 500)].map((one) => next.covers(one))).toEqual([true, true])
  })

  test('records of a topic that was made again are newer than the mark: not covered, and they start it over', async () => {
    const log = await logWithTopics()
    await marksOn(log).advance(at(0), 1_000, 9_000)
    const publishedMarks = await readAgain(log)
    expect(publishedMarks.covers(record(0, 3, 9_001))).toBe(false)
    await publishedMarks.advance(at(0), 3, 9_001)
    const next = await readAgain(log)
    expect([3, 4].map((offset) => next.covers(record(0, offset, 9_001)))).toEqual([true, false])
  })

  test('a mark that could not be written is written before the same step may pass', async () => {
    const faults: MemoryFaults = {}
    const log = await logWithTopics(faults)
    const publishedMarks = marksOn(log)
    faults.writeLost = () => true
    await expect(publishedMarks.advance(at(0), 5, 500)).rejects.toThrow('lost')
    delete faults.writeLost
    await publishedMarks.advance(at(0), 5, 500)
    expect((await readAgain(log)).covers(record(0, 5, 500))).toBe(true)
  })

  test('partitions that advance together share writes', async () => {
    const writes: number[] = []
    const log = await logWithTopics({
      writeLost: ({ records }) => {
        writes.push(records.length)
        return false
      },
    })
    const publishedMarks = marksOn(log)
    await Promise.all([0, 1, 2, 3].map((partition) => publishedMarks.advance(at(partition), 5, 500)))
    expect(writes).toEqual([1, 3])
    const next = await readAgain(log)
    expect([0, 1, 2, 3].every((partition) => next.covers(record(partition, 5, 500)))).toBe(true)
  })
})
