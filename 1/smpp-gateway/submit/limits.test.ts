import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLocalWindow } from './pacing/local-window.ts'
import { createRecentSubmits } from '../receipts/recent-submits.ts'
import { NO_TRIES, type Tries } from './progress.ts'
import { nextTry, RetryTurns } from './redelivery/turns.ts'
import { Window } from './window.ts'

const never = new AbortController().signal

describe('CON-5.2 departures of one process', () => {
  it('a departure exactly 1000 ms old no longer counts, and 100 ms hold a fifth of the limit at most', () => {
    let now = 5_000
    const window = createLocalWindow(() => now)
    const taken = (): number =>
      Array.from({ length: 100 }, () => window.take(100)).filter((ms) => ms === 0).length
    expect(taken()).toBe(20)
    expect(window.take(100)).toBe(100)
    for (let part = 1; part < 5; part += 1) {
      now += 100
      expect(taken()).toBe(20)
    }
    now += 100
    expect(window.take(100)).toBe(500)
    expect(window.used).toBe(100)
    now += 499
    expect(window.take(100)).toBe(1)
    now += 1
    expect(window.take(100)).toBe(0)
    expect(window.used).toBe(81)
  })

  it('never exceed the limit in any 1000 ms, and wait no longer than they must', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 })
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 9 }), (pauses, limit) => {
        let now = 0
        const window = createLocalWindow(() => now)
        const left: number[] = []
        const within = (spanMs: number): number => left.filter((at) => at > now - spanMs).length
        for (const pause of pauses) {
          now += pause
          const isFree = within(1_000) < limit && within(100) < Math.max(1, Math.floor(limit / 5))
          const waitMs = window.take(limit)
          expect(waitMs === 0).toBe(isFree)
          now += waitMs
          const then = waitMs > 0 ? window.take(limit) : 0
          expect(then).toBe(0)
          left.push(now)
        }
      }),
    )
  })
})

describe('CON-5.3 the window of unanswered PDUs', () => {
  it('admits as many as fit, the others in their order as places come free', async () => {
    const window = new Window(2, () => 0)
    const order: number[] = []
    const enter = async (index: number): Promise<void> => {
      await window.acquire(never)
      order.push(index)
    }
    const waits = [1, 2, 3, 4].map(enter)
    await Promise.all(waits.slice(0, 2))
    expect(order).toEqual([1, 2])
    window.release()
    await waits[2]
    window.release()
    await waits[3]
    expect(order).toEqual([1, 2, 3, 4])
  })

  it('gives up waiting when the commands are given back', async () => {
    const window = new Window(1, () => 0)
    const halting = new AbortController()
    expect(await window.acquire(halting.signal)).toBe(true)
    const waiting = window.acquire(halting.signal)
    halting.abort()
    expect(await waiting).toBe(false)
    expect(await window.acquire(halting.signal)).toBe(false)
  })

  it('is halved once per throttled burst and grows by one per 10 s without another', () => {
    let now = 1_000
    const window = new Window(16, () => now)
    window.throttled(now - 5)
    window.throttled(now - 3)
    expect(window.limit).toBe(8)
    now += 9_999
    expect(window.limit).toBe(8)
    now += 1
    expect(window.limit).toBe(9)
    window.throttled(now)
    expect(window.limit).toBe(4)
    now += 1_000_000
    expect(window.limit).toBe(16)
  })

  it('lets a quarter and one more be made ready, so that no place stands empty', async () => {
    const window = new Window(16, () => 0)
    const ready: number[] = []
    for (let index = 0; index < 30; index += 1) void window.approach(never).then(() => ready.push(index))
    await Promise.resolve()
    expect(ready).toHaveLength(21)
    window.withdraw()
    await Promise.resolve()
    expect(ready).toHaveLength(22)
  })

  it('never falls below one', () => {
    let now = 0
    const window = new Window(4, () => now)
    for (let turn = 0; turn < 10; turn++) window.throttled(++now)
    expect(window.limit).toBe(1)
  })
})

const delaysOf = (statusClass: keyof Tries, count: number): readonly (number | undefined)[] => {
  let tries = NO_TRIES
  return Array.from({ length: count }, () => {
    const next = nextTry(tries, statusClass, [5_000, 30_000, 120_000])
    tries = next?.tries ?? tries
    return next && next.delayMs / 1_000
  })
}

describe('CON-5.4 delays', () => {
  it('1, 2, 4 to 30 s after a throttle, to 60 s after a fault; 5, 30, 120 s after an unknown status, then no more', () => {
    expect(delaysOf('throttle', 7)).toEqual([1, 2, 4, 8, 16, 30, 30])
    expect(delaysOf('transient', 7)).toEqual([1, 2, 4, 8, 16, 32, 60])
    expect(delaysOf('unknown', 4)).toEqual([5, 30, 120, undefined])
  })
})

describe('PLT-7 fault G1: turns of commands that come again', () => {
  it('a crowd of them gets what is left to it of the rate, one after the other', () => {
    const turns = new RetryTurns(() => 0, 10)
    const dues = Array.from({ length: 1_000 }, () => turns.after(50))
    const busiest = Math.max(
      ...dues.map((from) => dues.filter((at) => at >= from && at < from + 1_000).length),
    )
    expect(dues.at(-1)).toBe(19_980)
    expect(busiest).toBeLessThanOrEqual(51)
  })

  it('no turn is further away than a minute, however long the line and however low the rate', () => {
    const turns = new RetryTurns(() => 0, 10)
    const dues = Array.from({ length: 100_000 }, () => turns.after(2.5))
    expect(Math.max(...dues)).toBeLessThanOrEqual(60_000)
    // Evenly, or they would all come at the end of the minute.
    const thirds = [0, 20_000, 40_000].map((from) => dues.filter((at) => at > from && at <= from + 20_000))
    for (const third of thirds) expect(third.length).toBeGreaterThan(30_000)
  })

  it('what became due during an outage is spread again, each command once', () => {
    let now = 0
    const turns = new RetryTurns(() => now, 40)
    now = 3_600_000
    const waits = Array.from({ length: 1_000 }, () => turns.admit(50, false))
    expect(waits.filter((ms) => ms === 0)).toHaveLength(50)
    const spread = waits.filter((ms) => ms > 0)
    expect(Math.max(...spread)).toBeLessThanOrEqual(19_000)
    const admitted = spread.map((ms) => {
      now = 3_600_000 + ms
      return turns.admit(50, false)
    })
    expect(admitted.filter((ms) => ms > 0).length).toBeLessThanOrEqual(1)
  })

  it('there are none while the operator is idle', () => {
    const turns = new RetryTurns(() => 0, 1)
    expect([true, true, true].map((isIdle) => turns.admit(1, isIdle))).toEqual([0, 0, 0])
    expect(turns.admit(1, false)).toBeGreaterThan(0)
  })
})

const submit = (messageId: string) => ({ messageId, segmentIndex: 1, totalSegments: 1 })

describe('recent submits', () => {
  it('finds a segment whatever the case and padding of its id, per operator, and forgets the oldest', () => {
    const recent = createRecentSubmits(2)
    recent.note('x', '00ABC', submit('m1'))
    expect(recent.find('x', 'abc')?.messageId).toBe('m1')
    expect(recent.find('y', 'abc')).toBeUndefined()
    recent.note('x', '2', submit('m2'))
    recent.note('x', '3', submit('m3'))
    expect(recent.find('x', 'abc')).toBeUndefined()
    expect(recent.find('x', '3')?.messageId).toBe('m3')
  })
})
