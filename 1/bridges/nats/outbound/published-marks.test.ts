import { describe, expect, test } from 'vitest'
import { encode } from '../../../streams/contracts/decode.ts'
import { memoryLog, type MemoryLog } from '../../../streams/log/memory.ts'
import type { MemoryFaults } from '../../../streams/log/memory/faults.ts'
import type { LogRecord } from '../../../streams/log/port.ts'
import {
  advanced,
  claimRecord,
  covers,
  markRecord,
  MARKS_AT,
  NO_MARK,
  PublishedMarks,
  type Mark,
} from './published-marks.ts'
import { ensureTopics } from '../testing/scene.suite.ts'

const AT = { topic: 'smpp.operator', partition: 1 }
const OURS = { ...AT, group: 'group' }
const record = (offset: number, timestamp: number): LogRecord => ({
  ...AT,
  offset,
  timestamp,
  key: null,
  value: null,
  headers: {},
})

async function logWithTopics(): Promise<MemoryLog> {
  const log = memoryLog()
  await ensureTopics(log)
  return log
}

const write = async (log: MemoryLog, mark: Mark, of = OURS): Promise<void> => {
  await log.writer().write([markRecord(of, mark)])
}

const read = (log: MemoryLog, of = OURS): Promise<Mark | undefined> => new PublishedMarks(log).of(of)

describe('marks', () => {
  test('[P7] what lies at or below a mark is covered, also for the next process', async () => {
    const log = await logWithTopics()
    await write(log, { acknowledged: 7, timeMs: 700, topicId: 'a', sequences: { one: 12 } })
    const mark = await read(log)
    expect(mark).toEqual({ acknowledged: 7, timeMs: 700, topicId: 'a', sequences: { one: 12 } })
    expect([0, 7, 8].map((offset) => covers(mark ?? NO_MARK, record(offset, 700)))).toEqual([
      true,
      true,
      false,
    ])
  })

  test('the very first record has offset 0, and before it there is a mark that covers nothing', async () => {
    const log = await logWithTopics()
    await write(log, NO_MARK)
    expect(covers((await read(log)) ?? { acknowledged: 9, timeMs: 9 }, record(0, 0))).toBe(false)
    expect(covers(advanced(NO_MARK, [record(0, 5)]), record(0, 5))).toBe(true)
  })

  test('a mark of another group or partition is none', async () => {
    const log = await logWithTopics()
    await write(log, { acknowledged: 9, timeMs: 900 }, { ...OURS, group: 'other' })
    await write(log, { acknowledged: 9, timeMs: 900 }, { ...OURS, partition: 2 })
    expect(await read(log)).toBeUndefined()
  })

  test('a mark that a bridge of an older version wrote has neither topic nor sequence, and counts', async () => {
    const log = await logWithTopics()
    const { value, ...rest } = markRecord(OURS, { acknowledged: 4, timeMs: 400 })
    expect(String(value)).not.toMatch(/topicId|sequences/)
    await log.writer().write([{ ...rest, value }])
    expect(covers((await read(log)) ?? NO_MARK, record(4, 400))).toBe(true)
  })

  test('a replay does not move a mark back, nor does the late mark of a former owner', async () => {
    const log = await logWithTopics()
    const mark = advanced(advanced(NO_MARK, [record(9, 900)]), [record(2, 200)])
    expect(mark).toMatchObject({ acknowledged: 9, timeMs: 900 })
    await write(log, mark)
    await write(log, { acknowledged: 5, timeMs: 500 })
    expect((await read(log))?.acknowledged).toBe(9)
  })

  test('records are covered although their times do not ascend', () => {
    const mark = advanced(advanced(NO_MARK, [record(3, 900)]), [record(6, 500)])
    expect([record(3, 900), record(6, 500)].map((one) => covers(mark, one))).toEqual([true, true])
  })

  test('fault R2: of a topic that was made again the later mark counts, however low and old', async () => {
    const log = await logWithTopics()
    await write(log, { acknowledged: 1_000, timeMs: 9_000, topicId: 'a' })
    await write(log, { acknowledged: 3, timeMs: 8_000, topicId: 'b' })
    expect(await read(log)).toMatchObject({ acknowledged: 3, topicId: 'b' })
  })

  test('newer records at old offsets start the mark over: the log has lost what it counted', () => {
    const mark = advanced({ acknowledged: 1_000, timeMs: 9_000 }, [record(3, 9_001)])
    expect([record(3, 9_001), record(4, 9_001)].map((one) => covers(mark, one))).toEqual([true, false])
  })

  test('what is no mark is passed over, and a topic of marks that was made again is read from its start', async () => {
    const log = await logWithTopics()
    const marks = new PublishedMarks(log)
    await write(log, { acknowledged: 7, timeMs: 700 })
    await log.writer().write([
      { ...MARKS_AT, key: 'claim', value: null, timestamp: 1 },
      { ...MARKS_AT, key: 'other', value: encode({ group: 1 }), timestamp: 1 },
    ])
    expect((await marks.of(OURS))?.acknowledged).toBe(7)
    await log.admin.deleteTopics([MARKS_AT.topic])
    await ensureTopics(log)
    expect(await marks.of(OURS)).toBeUndefined()
    await write(log, { acknowledged: 1, timeMs: 100 })
    expect((await marks.of(OURS))?.acknowledged).toBe(1)
  })

  test('stay known when the log is not heard, whoever has seen more of them before', async () => {
    const faults: MemoryFaults = {}
    const log = memoryLog({ faults })
    await ensureTopics(log)
    await write(log, { acknowledged: 7, timeMs: 700 })
    const written = await log.writer().write([claimRecord(OURS, 800)])
    await log.writer().write([claimRecord(OURS, 900)])
    const marks = new PublishedMarks(log)
    expect(await marks.of(OURS)).toMatchObject({ acknowledged: 7 })
    faults.readRefused = () => true
    await marks.of(OURS, written).catch(() => undefined)
    faults.readRefused = () => false
    await log.writer().write([claimRecord(OURS, 1000)])
    expect(await marks.of(OURS)).toMatchObject({ acknowledged: 7 })
  })
})
