import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLocalWindow } from './local-window.ts'
import { createRecentSubmits } from '../receipts/recent-submits.ts'
import { createRetries } from './retries.ts'
import { Window } from './window.ts'

const never = new AbortController().signal

describe('CON-5.2 the window of one process', () => {
  it('110 at 100: exactly 10 are deferred, and a grant exactly 1000 ms old no longer counts', () => {
    let now = 5_000
    const window = createLocalWindow(() => now)
    const grants = Array.from({ length: 110 }, () => window.take(100))
    expect(grants.filter((granted) => !granted)).toHaveLength(10)
    now += 999
    expect(window.take(100)).toBe(false)
    now += 1
    expect(window.take(100)).toBe(true)
    expect(window.used).toBe(1)
  })

  it('grants never exceed the limit in any 1000 ms, and a free place is never refused', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 })
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 9 }), (pauses, limit) => {
        let now = 0
        const window = createLocalWindow(() => now)
        const granted: number[] = []
        for (const pause of pauses) {
          now += pause
          const recent = granted.filter((at) => at > now - 1_000).length
          const isGranted = window.take(limit)
          expect(isGranted).toBe(recent < limit)
          if (isGranted) granted.push(now)
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

  it('never falls below one', () => {
    let now = 0
    const window = new Window(4, () => now)
    for (let turn = 0; turn < 10; turn++) window.throttled(++now)
    expect(window.limit).toBe(1)
  })
})

describe('CON-5.4 delays', () => {
  it('a throttled command waits 1, 2, 4 to 30 s, a faulty one up to 60 s, each message on its own', () => {
    const retries = createRetries()
    const delays = Array.from({ length: 7 }, () => retries.afterThrottle('a') / 1000)
    expect(delays).toEqual([1, 2, 4, 8, 16, 30, 30])
    const faults = Array.from({ length: 7 }, () => retries.afterFault('b') / 1000)
    expect(faults).toEqual([1, 2, 4, 8, 16, 32, 60])
    retries.forget('b')
    expect(retries.afterFault('b')).toBe(1_000)
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
