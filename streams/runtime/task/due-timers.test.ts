import { describe, expect, it } from 'vitest'
import type { LogRecord } from '../../log/port.ts'
import { DueTimers } from './due-timers.ts'
import { Inputs } from './inputs.ts'
import type { StoredTimer } from '../store/store.ts'
import { memoryStores } from '../store/memory.ts'

const TOPIC = 'words'
const CHECKPOINT = { changelogs: {}, atMs: 0 }
const record = (offset: number, timestamp: number): LogRecord => ({
  topic: TOPIC,
  partition: 0,
  offset,
  timestamp,
  key: null,
  value: null,
  headers: {},
})

/** Timers due at these instants; the input has been read up to offset 0. */
async function armed(...dueMs: readonly number[]) {
  const store = await memoryStores().open('due-timers.0', () => {})
  const timers = dueMs.map((at): StoredTimer => ({ dueMs: at, store: 's', timer: 't', key: `k${at}` }))
  await store.commit([{ store: 's', key: 'k', encoded: '{}', armed: timers, disarmed: [] }], CHECKPOINT)
  const inputs = new Inputs([TOPIC], { bytesPerTopicMax: 1_000_000, recordsPerTopicMax: 10 }, () => {})
  inputs.reset(TOPIC, 0)
  const due = new DueTimers(inputs)
  await due.open(store)
  const seen = (atMs: number, end: number): void => due.seen({ atMs, ends: new Map([[TOPIC, end]]) })
  const taken = async (nowMs: number) => (await due.take(store, nowMs, 10)).map((timer) => timer.dueMs)
  return { due, inputs, seen, taken }
}

describe('a timer that is due', () => {
  it('needs a sight of the log that is not older than itself', async () => {
    const { due, seen, taken } = await armed(100)
    seen(99, 0)
    expect(due.needSight(99)).toBe(false)
    expect(due.needSight(100)).toBe(true)
    expect(await taken(150)).toEqual([])
    seen(150, 0)
    expect(due.needSight(150)).toBe(false)
    expect(await taken(150)).toEqual([100])
  })

  it('waits for what the log held then, though nothing of it has been fetched', async () => {
    const { due, inputs, seen, taken } = await armed(100)
    seen(120, 2)
    expect(await taken(5000)).toEqual([])
    expect(due.waitMs(5000)).toBe(Number.POSITIVE_INFINITY)
    inputs.offer(TOPIC, [record(0, 110), record(1, 110)], 2)
    expect(await taken(5000)).toEqual([])
    inputs.take(10)
    expect(await taken(5000)).toEqual([100])
  })

  it('does not wait for what came after, even under a load that never ends', async () => {
    const { due, inputs, seen, taken } = await armed(100, 300)
    seen(120, 1)
    inputs.offer(TOPIC, [record(0, 110), record(1, 130)], 2)
    inputs.take(1)
    expect(due.needSight(200)).toBe(false)
    expect(await taken(200)).toEqual([100])
  })

  it('takes no second sight before the first one is used up', async () => {
    const { due, inputs, seen } = await armed(100)
    seen(50, 1)
    expect(due.needSight(100)).toBe(false)
    inputs.offer(TOPIC, [record(0, 40)], 1)
    inputs.take(1)
    expect(due.needSight(100)).toBe(true)
  })

  it('needs another sight when it was armed in the millisecond of the last one', async () => {
    const { due, seen, taken } = await armed(100)
    seen(100, 0)
    due.armed(100)
    expect(due.needSight(100)).toBe(true)
    expect(await taken(100)).toEqual([])
    seen(100, 0)
    expect(due.needSight(100)).toBe(false)
    expect(await taken(100)).toEqual([100])
  })

  it('comes after an older record that waits in the buffer', async () => {
    const { inputs, seen, taken } = await armed(100, 300)
    seen(400, 0)
    inputs.offer(TOPIC, [record(0, 200)], 1)
    expect(await taken(400)).toEqual([100])
  })

  it('trusts no sight from before the clock was set back', async () => {
    const { due, seen, taken } = await armed(100)
    seen(9000, 0)
    expect(await taken(200)).toEqual([])
    expect(due.needSight(200)).toBe(true)
    seen(200, 0)
    expect(await taken(200)).toEqual([100])
  })
})
