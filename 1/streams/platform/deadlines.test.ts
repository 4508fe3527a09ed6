import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Deadlines } from './deadlines.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const now = (): number => performance.now()

describe('deadlines that share timers', () => {
  it('each passes at its time, however many of whatever duration stand beside it, unless taken back', () => {
    const request = fc.record({
      gapMs: fc.integer({ min: 0, max: 40 }),
      afterMs: fc.constantFrom(10, 30, 100),
      takenBackMs: fc.option(fc.integer({ min: 0, max: 120 }), { nil: undefined }),
    })
    fc.assert(
      fc.property(fc.array(request, { maxLength: 30 }), (requests) => {
        const passed = new Map<number, number>()
        const deadlines = new Deadlines<number>({ now, onExpired: (key) => passed.set(key, now()) })
        const due = new Map<number, number>()
        for (const [key, { gapMs, afterMs, takenBackMs }] of requests.entries()) {
          vi.advanceTimersByTime(gapMs)
          deadlines.set(key, afterMs)
          if (takenBackMs !== undefined) setTimeout(() => deadlines.delete(key), takenBackMs)
          if (takenBackMs === undefined || takenBackMs > afterMs) due.set(key, now() + afterMs)
          // Taken back in the very millisecond: both are right.
          else if (takenBackMs === afterMs) due.delete(key)
        }
        vi.advanceTimersByTime(200)
        const exact = requests.flatMap(({ afterMs, takenBackMs }, key) =>
          takenBackMs === afterMs ? [] : [key],
        )
        for (const key of exact) expect([key, passed.get(key)]).toEqual([key, due.get(key)])
      }),
    )
  })

  it('thousands have one timer, and none is left when all are taken back', () => {
    const deadlines = new Deadlines<number>({ now, onExpired: () => {} })
    for (let key = 0; key < 5_000; key += 1) deadlines.set(key, 1_000)
    expect(vi.getTimerCount()).toBe(1)
    for (let key = 0; key < 5_000; key += 1) deadlines.delete(key)
    vi.advanceTimersByTime(1_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('cleared, nothing passes any more, and a new one does', () => {
    const passed: string[] = []
    const deadlines = new Deadlines<string>({ now, onExpired: (key) => passed.push(key) })
    deadlines.set('old', 50)
    deadlines.clear()
    expect(vi.getTimerCount()).toBe(0)
    deadlines.set('new', 50)
    vi.advanceTimersByTime(50)
    expect(passed).toEqual(['new'])
  })
})
