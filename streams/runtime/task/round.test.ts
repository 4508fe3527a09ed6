import { describe, expect, it } from 'vitest'
import { encode } from '../../contracts/decode.ts'
import type { LogRecord } from '../../log/port.ts'
import { memoryStores } from '../store/memory.ts'
import { RowBudget } from '../store/recent-rows.ts'
import type { StoredTimer } from '../store/store.ts'
import { tableOf } from '../store/table.ts'
import { counting } from '../testing/counting.suite.ts'
import { Breath } from './breath.ts'
import { Inputs } from './inputs.ts'
import { Reading } from './reading.ts'
import { Round } from './round.ts'
import { TimerQueue } from './timer-queue.ts'

const given = counting('round', 7)
const EVENT = {
  schemaVersion: '1.0',
  eventId: '71e6b2de-c54b-5149-bc4d-1925e4067659',
  occurredAt: '2026-04-18T10:23:40.000Z',
}
const record = (offset: number, timestamp: number, word = `w${offset}`, headers = {}): LogRecord => ({
  topic: given.words,
  partition: 0,
  offset,
  timestamp,
  key: null,
  value: Buffer.from(encode({ ...EVENT, word, n: 0 })),
  headers,
})
const timer = (dueMs: number): StoredTimer => ({ dueMs, store: 'counts', timer: 'quiet', key: `t${dueMs}` })
const NOW_MS = 1000

interface Setting {
  readonly records: readonly LogRecord[]
  /** Of rows that stand in the store. */
  readonly due?: readonly number[]
  readonly recordsMax?: number
  readonly timersMax?: number
  readonly mark?: number
  readonly clock?: { readonly now: () => number }
}

/** One round over all that is there; the words of what it tells, with their instants. */
async function told({ records, due = [], ...setting }: Setting) {
  const { recordsMax = 99, timersMax = 99, mark = 0, clock = { now: () => 0 } } = setting
  const store = await memoryStores().open('round.0', () => {})
  const rows = due.map((dueMs) => ({
    store: 'counts',
    key: `t${dueMs}`,
    encoded: JSON.stringify({ state: { count: 1 }, timers: { quiet: dueMs } }),
    armed: [timer(dueMs)],
    disarmed: [],
  }))
  await store.commit(rows, { changelogs: {}, atMs: 0 })
  const inputs = new Inputs([given.words], { recordsPerTopicMax: 99, bytesPerTopicMax: 1e6 }, () => {})
  inputs.offer(given.words, records, records.length)
  inputs.seen({ atMs: NOW_MS, ends: inputs.offered(), offered: inputs.offered() })
  const loaded = await store.dueTimers(NOW_MS, timersMax)
  const round = new Round({
    topology: given.topology,
    reading: new Reading(given.topology, new Map([[given.words, mark]])),
    table: tableOf(given.topology, store, { recentRowsMax: 9, rowsFetchedMin: 1, budget: new RowBudget(9) }),
    inputs,
    timers: new TimerQueue(loaded, timersMax, NOW_MS),
    timersMax,
    nowMs: NOW_MS,
    breath: new Breath(clock),
    begins: () => Promise.resolve(),
    ask: () => Promise.resolve(),
  })
  const effects = await round.run(inputs.take(recordsMax), loaded)
  inputs.settle()
  const says = effects.emissions.map(({ topic, value, now }) => `${topic.key(value)}@${now}`)
  return { says, effects, left: inputs.size }
}

describe('a round', () => {
  it('lets a timer fire before a record that is younger than it, and after one that is not', async () => {
    const records = [record(0, 10), record(1, 20), record(2, 15)]
    const { says } = await told({ records, due: [5, 10, 12, 99] })
    expect(says).toEqual(['t5@5', 'w0@10', 't10@10', 't12@12', 'w1@20', 'w2@15', 't99@99'])
  })

  it('fault R13: fires a timer that it has armed before the next record that is younger', async () => {
    const { says } = await told({ records: [record(0, 10, 'wait'), record(1, 16), record(2, 30)] })
    expect(says).toEqual(['w1@16', 'wait@17', 'w2@30'])
  })

  it('fault R13: ends at the last timer that it may fire, records behind it included', async () => {
    const { says, left } = await told({
      records: [record(0, 10), record(1, 20)],
      due: [5, 6, 7],
      timersMax: 2,
    })
    expect(says).toEqual(['t5@5', 't6@6'])
    expect(left).toBe(2)
  })

  it('fires no more timers than it may, those included that it has armed', async () => {
    const words = [0, 1, 2].map((n) => record(n, 10, `wait-${n}`))
    const { says, left } = await told({ records: [...words, record(3, 30)], timersMax: 2 })
    expect(says).toEqual(['wait-0@17', 'wait-1@17'])
    expect(left).toBe(1)
  })

  it('fault R13: keeps a timer back until the record that comes before it had its round', async () => {
    const setting = { records: [record(0, 10), record(1, 20)], due: [15, 25], recordsMax: 1 }
    expect((await told(setting)).says).toEqual(['w0@10', 't15@15'])
  })

  it('fault R14: lets a record that was replayed upstream neither wait for timers nor hold them back', async () => {
    const replayed = { replayed: '1' }
    const records = [record(0, 40), record(1, 2, 'old', replayed), record(2, 60)]
    const { says } = await told({ records, due: [50] })
    expect(says).toEqual(['w0@40', 'old@2', 't50@50', 'w2@60'])
  })

  it('marks only what lies below the mark of its topic as replayed', async () => {
    const { effects } = await told({ records: [record(0, 1), record(1, 2)], mark: 1 })
    expect(effects.emissions.map(({ replayed }) => replayed)).toEqual([true, false])
  })
})

describe('a long round', () => {
  it('fault R14: lets the event loop in between its handlers', async () => {
    let turns = 0
    let isOver = false
    const turn = (): void => {
      turns += 1
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    const ms = { now: 0 }
    const records = Array.from({ length: 400 }, (_, n) => record(n, n))
    // Each look at the clock finds it later: the handlers are slow.
    const clock = { now: () => (ms.now += 5) }
    await told({ records, recordsMax: 400, clock })
    isOver = true
    expect(turns).toBeGreaterThan(20)
  })
})
