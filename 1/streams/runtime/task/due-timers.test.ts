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
  const seen = (atMs: number, end: number): void =>
    inputs.seen({ atMs, ends: new Map([[TOPIC, end]]), offered: inputs.offered() })
  /** Handles so many of the records that wait. */
  const handle = (count: number): void => {
    for (const one of inputs.take(count)) inputs.handled(one)
    inputs.settle()
  }
  return { due, inputs, seen, handle }
}

describe('a timer that is due', () => {
  it('needs a sight of the log that is not older than itself', async () => {
    const { due, seen } = await armed(100)
    seen(99, 0)
    expect(due.needSight(99)).toBe(false)
    expect(due.needSight(100)).toBe(true)
    expect(due.areDue(150)).toBe(false)
    seen(150, 0)
    expect(due.needSight(150)).toBe(false)
    expect(due.areDue(150)).toBe(true)
  })

  it('waits for what the log held then, though nothing of it has been fetched', async () => {
    const { due, inputs, seen, handle } = await armed(100)
    seen(120, 2)
    expect(due.areDue(5000)).toBe(false)
    expect(due.needSight(5000)).toBe(false)
    expect(due.waitMs(5000)).toBe(Number.POSITIVE_INFINITY)
    inputs.offer(TOPIC, [record(0, 90), record(1, 95)], 2)
    expect(due.areDue(5000)).toBe(false)
    handle(2)
    expect(due.areDue(5000)).toBe(true)
  })

  it('fault R13: needs no sight once a record is read that is younger than it', async () => {
    const { due, inputs } = await armed(100)
    inputs.offer(TOPIC, [record(0, 110)], 1)
    expect(due.needSight(5000)).toBe(false)
    expect(due.areDue(5000)).toBe(true)
  })

  it('does not wait for what came after, even under a load that never ends', async () => {
    const { due, inputs, seen, handle } = await armed(100, 300)
    seen(120, 1)
    inputs.offer(TOPIC, [record(0, 90), record(1, 130)], 2)
    handle(1)
    expect(due.needSight(200)).toBe(false)
    expect(due.areDue(200)).toBe(true)
  })

  it('takes no second sight before the first one is used up', async () => {
    const { due, inputs, seen, handle } = await armed(100)
    seen(50, 1)
    expect(due.needSight(100)).toBe(false)
    inputs.offer(TOPIC, [record(0, 40)], 1)
    handle(1)
    expect(due.needSight(100)).toBe(true)
  })

  it('fault R13: needs another sight once more was read than the last one knew of', async () => {
    const { due, inputs, seen, handle } = await armed(100)
    seen(120, 0)
    inputs.offer(TOPIC, [record(0, 130)], 1)
    handle(1)
    due.armed(110)
    expect(due.areDue(200)).toBe(false)
    expect(due.needSight(200)).toBe(true)
    seen(200, 1)
    expect(due.areDue(200)).toBe(true)
  })

  it('needs another sight when it was armed in the millisecond of the last one', async () => {
    const { due, seen } = await armed(100)
    seen(100, 0)
    due.armed(100)
    expect(due.needSight(100)).toBe(true)
    expect(due.areDue(100)).toBe(false)
    seen(100, 0)
    expect(due.needSight(100)).toBe(false)
    expect(due.areDue(100)).toBe(true)
  })

  it('comes after an older record that waits in the buffer', async () => {
    const { due, inputs, seen } = await armed(300)
    seen(400, 0)
    inputs.offer(TOPIC, [record(0, 200)], 1)
    expect(due.areDue(400)).toBe(false)
  })

  it('fault R14: is not held back by the old times of a replay upstream', async () => {
    const { due, inputs, seen } = await armed(300)
    seen(400, 0)
    inputs.offer(TOPIC, [{ ...record(0, 200), headers: { replayed: '1' } }], 1)
    expect(due.areDue(400)).toBe(true)
  })

  it('trusts no sight from before the clock was set back', async () => {
    const { due, seen } = await armed(100)
    seen(9000, 0)
    expect(due.areDue(200)).toBe(false)
    expect(due.needSight(200)).toBe(true)
    seen(200, 0)
    expect(due.areDue(200)).toBe(true)
  })
})
