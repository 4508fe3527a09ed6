import { setMaxListeners } from 'node:events'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { localPermits, type PermitSource } from './permits.ts'
import { Throttle } from './throttle.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const now = (): number => performance.now()
const never = new AbortController().signal
setMaxListeners(0, never)

/** Permits of one schedule for all who ask, an answer later, as from Redis. */
function shared(answerMs = 1): PermitSource & { asked: number } {
  const permits = localPermits(now)
  const source = {
    asked: 0,
    ask: async (_limit: number, wanted: number, spacingMs: number) => {
      source.asked += 1
      await new Promise((resolve) => setTimeout(resolve, answerMs))
      return permits(wanted, spacingMs)
    },
  }
  return source
}

const throttleOn = (permits: PermitSource, fallbacks: boolean[] = []): Throttle =>
  new Throttle({ permits, now, onFallback: (active) => fallbacks.push(active), onDelayed: () => {} })

/** Sends `count` PDUs as fast as the throttle lets them; the moments at which they left. */
async function sent(throttle: Throttle, count: number, limit: number, times: number[]): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      await throttle.take(limit, never)
      await throttle.depart(limit)
      times.push(now())
    }),
  )
}

async function timesOf(throttles: readonly Throttle[], count: number, limit: number): Promise<number[]> {
  const times: number[] = []
  const work = Promise.all(
    throttles.map((throttle) => sent(throttle, count / throttles.length, limit, times)),
  )
  while (times.length < count) await vi.advanceTimersByTimeAsync(7)
  await work
  return times.sort((a, b) => a - b)
}

/** The most that any span of `spanMs` holds. */
const most = (times: readonly number[], spanMs: number): number =>
  Math.max(...times.map((at, index) => times.filter((t, i) => i >= index && t < at + spanMs).length))

const spreadOver = (times: readonly number[]): number => (times.at(-1) ?? 0) - (times[0] ?? 0)

describe('CON-5.2 fault G16: permits are spread over the second', () => {
  it('[TP6] 110 PDUs at once at limit 100: the last 10 leave in the second second', async () => {
    const times = await timesOf([throttleOn(shared())], 110, 100)
    const first = times[0] ?? 0
    expect(times.filter((at) => at < first + 1_000)).toHaveLength(100)
    expect(most(times, 1_000)).toBe(100)
    expect(most(times, 100)).toBeLessThanOrEqual(20)
  })

  it('at any limit and for any delay of Redis: never above it, at most a fifth in 100 ms, 95 % used', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 400 }),
        fc.integer({ min: 1, max: 20 }),
        async (limit, ms) => {
          const count = Math.max(20, limit * 2)
          const times = await timesOf([throttleOn(shared(ms))], count, limit)
          expect(most(times, 1_000)).toBeLessThanOrEqual(limit)
          expect(most(times, 100)).toBeLessThanOrEqual(Math.max(1, limit / 5))
          expect(((count - 1) * 1_000) / spreadOver(times)).toBeGreaterThanOrEqual(0.95 * limit)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('two processes share the limit, and use it', async () => {
    const source = shared()
    const times = await timesOf([throttleOn(source), throttleOn(source)], 200, 50)
    expect(most(times, 1_000)).toBeLessThanOrEqual(50)
    expect(most(times, 100)).toBeLessThanOrEqual(10)
    expect((199 * 1_000) / spreadOver(times)).toBeGreaterThanOrEqual(0.95 * 50)
  })

  it('asks for permits some tens of times a second, whatever the limit', async () => {
    for (const limit of [20, 500, 5_000]) {
      const source = shared()
      const times = await timesOf([throttleOn(source)], limit, limit)
      expect(source.asked / (spreadOver(times) / 1_000)).toBeLessThanOrEqual(60)
    }
  })

  it('CON-2.3 without Redis it keeps the whole limit alone, and says so', async () => {
    const fallbacks: boolean[] = []
    const times = await timesOf([throttleOn({ ask: async () => undefined }, fallbacks)], 110, 100)
    expect(most(times, 1_000)).toBe(100)
    expect(new Set(fallbacks)).toEqual(new Set([true]))
  })

  it('whoever gives up waiting leaves his permit to the next', async () => {
    const throttle = throttleOn(shared())
    const halting = new AbortController()
    const first = throttle.take(1, never)
    await vi.advanceTimersByTimeAsync(5)
    expect(await first).toBe(true)
    const given = throttle.take(1, halting.signal)
    const other = throttle.take(1, never)
    halting.abort()
    expect(await given).toBe(false)
    await vi.advanceTimersByTimeAsync(1_100)
    expect(await other).toBe(true)
  })
})

let newcomers = 0
/** A recipient of whom nothing is known. */
const newcomer = (): string => `+44${(newcomers += 1)}`

const rated = async (throttle: Throttle, spanMs: number, limit: number): Promise<number> => {
  const times: number[] = []
  const over = new AbortController()
  setMaxListeners(0, over.signal)
  const endless = Array.from({ length: 100 }, async () => {
    while (await throttle.take(limit, over.signal)) times.push(now())
  })
  await vi.advanceTimersByTimeAsync(spanMs)
  over.abort()
  await Promise.all(endless)
  return times.length / (spanMs / 1_000)
}

describe('CON-5.4 fault G16: a refusal cuts the rate', () => {
  it('[TP3] to 70 %, once a second at most, and back by 2 % of the limit a second', async () => {
    const throttle = throttleOn(shared())
    const at = now()
    throttle.refused(at, newcomer())
    throttle.refused(at, newcomer())
    expect(throttle.part).toBeCloseTo(0.7)
    const rate = await rated(throttle, 1_000, 200)
    expect(rate).toBeGreaterThan(0.7 * 190)
    expect(rate).toBeLessThan(0.74 * 200)
    await vi.advanceTimersByTimeAsync(9_000)
    expect(throttle.part).toBeCloseTo(0.9)
    throttle.refused(now(), newcomer())
    expect(throttle.part).toBeCloseTo(0.63)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(throttle.part).toBe(1)
  })

  it('what was sent before the last cut does not cut again', async () => {
    const throttle = throttleOn(shared())
    const early = now()
    await vi.advanceTimersByTimeAsync(5_000)
    throttle.refused(now(), newcomer())
    await vi.advanceTimersByTimeAsync(2_000)
    throttle.refused(early, newcomer())
    expect(throttle.part).toBeCloseTo(0.74)
  })

  it('one recipient who is always refused, while the others are taken, slows nobody for long, however many messages are his', async () => {
    const throttle = throttleOn(shared())
    expect(throttle.refused(now(), '+1')).toBe(false)
    for (let message = 0; message < 20; message += 1) {
      throttle.accepted(newcomer())
      await vi.advanceTimersByTimeAsync(2_000)
      expect(throttle.refused(now(), '+1')).toBe(true)
    }
    expect(throttle.part).toBe(1)
  })

  it('a recipient who is taken now and then is not meant: his refusals are about the rate', async () => {
    const throttle = throttleOn(shared())
    for (let message = 0; message < 5; message += 1) {
      for (const recipient of ['+1', '+2']) throttle.accepted(recipient)
      await vi.advanceTimersByTimeAsync(2_000)
      for (const recipient of ['+1', '+2']) expect(throttle.refused(now(), recipient)).toBe(false)
    }
    expect(throttle.part).toBeLessThan(0.4)
  })

  it('a rate that rises again is not waited for at the old one', async () => {
    const throttle = throttleOn(shared())
    for (let second = 0; second < 60; second += 1) {
      throttle.refused(now(), '+1')
      await vi.advanceTimersByTimeAsync(1_000)
    }
    const first = throttle.take(1, never)
    await vi.advanceTimersByTimeAsync(50)
    expect(await first).toBe(true)
    // At the rate of this moment it would be its turn in about 14 s.
    let isPermitted = false
    void throttle.take(1, never).then(() => (isPermitted = true))
    await vi.advanceTimersByTimeAsync(8_000)
    expect(isPermitted).toBe(true)
  })

  it('an operator that refuses everything is asked now and then', async () => {
    const throttle = throttleOn(shared())
    for (let second = 0; second < 60; second += 1) {
      throttle.refused(now(), '+1')
      await vi.advanceTimersByTimeAsync(1_000)
    }
    expect(throttle.part).toBeGreaterThanOrEqual(0.05)
    expect(throttle.part).toBeLessThan(0.1)
  })
})
