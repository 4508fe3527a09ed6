import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffMs, sleep } from './backoff.ts'

const firstMs = fc.integer({ min: 1, max: 10_000 })
const growth = fc.integer({ min: 0, max: 100_000 })
const jitter = fc.double({ min: 0, max: 1, noNaN: true })
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const attempt = fc.integer({ min: 1, max: 2000 })

const HALF = () => 0.5

describe('the wait before a further try', () => {
  it('doubles from the first to the greatest wait and stays there', () => {
    const options = { firstMs: 100, maxMs: 1000, jitter: 0, random: HALF }
    expect([1, 2, 3, 4, 5, 6, 1e9].map((n) => backoffMs(n, options))).toEqual([
      100, 200, 400, 800, 1000, 1000, 1000,
    ])
  })

  it('is the same ± jitter, a whole number of milliseconds, and never negative', () => {
    fc.assert(
      fc.property(attempt, firstMs, growth, jitter, chance, (n, first, grown, share, random) => {
        const options = { firstMs: first, maxMs: first + grown, jitter: share, random: () => random }
        const plainMs = backoffMs(n, { ...options, jitter: 0 })
        const waitMs = backoffMs(n, options)
        expect(plainMs).toBeGreaterThanOrEqual(first)
        expect(plainMs).toBeLessThanOrEqual(first + grown)
        expect(waitMs).toBeGreaterThanOrEqual(Math.floor(plainMs * (1 - share)))
        expect(waitMs).toBeLessThanOrEqual(Math.ceil(plainMs * (1 + share)))
        expect(Number.isSafeInteger(waitMs)).toBe(true)
      }),
    )
  })

  it('never shrinks with the attempts, but for the jitter', () => {
    fc.assert(
      fc.property(attempt, firstMs, growth, (n, first, grown) => {
        const options = { firstMs: first, maxMs: first + grown, jitter: 0, random: HALF }
        expect(backoffMs(n + 1, options)).toBeGreaterThanOrEqual(backoffMs(n, options))
      }),
    )
  })

  it('spreads over the whole width of the jitter, so that many waiters do not return at once', () => {
    const options = { firstMs: 1000, maxMs: 1000, jitter: 0.2 }
    expect(backoffMs(1, { ...options, random: () => 0 })).toBe(800)
    expect(backoffMs(1, { ...options, random: HALF })).toBe(1000)
    expect(backoffMs(1, { ...options, random: () => 1 - Number.EPSILON })).toBe(1200)
  })
})

describe('a sleep', () => {
  // Long enough that the test would run into its own limit if the abort did not end the sleep.
  const FOREVER_MS = 3_600_000

  it('ends by itself and leaves no listener on the signal', async () => {
    const { signal } = new AbortController()
    await sleep(1, signal)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('ends early and without an error when the signal aborts, and leaves no listener', async () => {
    const controller = new AbortController()
    const slept = sleep(FOREVER_MS, controller.signal)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    controller.abort(new Error('closing'))
    await expect(slept).resolves.toBeUndefined()
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('does not begin when the signal has aborted before', async () => {
    const signal = AbortSignal.abort()
    await expect(sleep(FOREVER_MS, signal)).resolves.toBeUndefined()
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('of many waiters on one signal all end with it', async () => {
    const controller = new AbortController()
    const slept = [sleep(FOREVER_MS, controller.signal), sleep(FOREVER_MS, controller.signal)]
    controller.abort()
    await expect(Promise.all(slept)).resolves.toEqual([undefined, undefined])
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })
})
