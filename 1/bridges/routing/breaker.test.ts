import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CircuitBreaker, ROUTING_BREAKER } from './breaker.ts'

class Clock {
  ms = 1_000_000
  readonly now = (): number => this.ms
}

function breakerAt(clock: Clock): CircuitBreaker {
  return new CircuitBreaker(ROUTING_BREAKER, clock.now)
}

const call = (breaker: CircuitBreaker, succeeded: boolean): boolean => {
  const end = breaker.enter()
  end?.(succeeded)
  return end !== undefined
}

const calls = (breaker: CircuitBreaker, count: number, succeeded: boolean): void => {
  for (let n = 0; n < count; n += 1) call(breaker, succeeded)
}

describe('the circuit breaker of routing', () => {
  test('opens at half of twenty calls, not at nineteen failures, not below half', () => {
    const few = breakerAt(new Clock())
    calls(few, 19, false)
    expect(few.enter()).toBeDefined()
    const most = breakerAt(new Clock())
    calls(most, 11, true)
    calls(most, 10, false)
    expect(most.enter()).toBeDefined()
    const half = breakerAt(new Clock())
    calls(half, 10, true)
    calls(half, 10, false)
    expect(half.enter()).toBeUndefined()
  })

  test('forgets calls that are ten seconds old', () => {
    const clock = new Clock()
    const breaker = breakerAt(clock)
    calls(breaker, 19, false)
    clock.ms += 10_000
    call(breaker, false)
    expect(breaker.enter()).toBeDefined()
  })

  test('counts calls that are just under ten seconds old', () => {
    const clock = new Clock()
    const breaker = breakerAt(clock)
    calls(breaker, 19, false)
    clock.ms += 9_899
    call(breaker, false)
    expect(breaker.enter()).toBeUndefined()
  })

  test('lets one probe through after five seconds, and only one', () => {
    const clock = new Clock()
    const breaker = breakerAt(clock)
    calls(breaker, 20, false)
    clock.ms += 4_999
    expect(breaker.enter()).toBeUndefined()
    clock.ms += 1
    const probe = breaker.enter()
    expect(probe).toBeDefined()
    expect(breaker.enter()).toBeUndefined()
    probe?.(true)
    expect(call(breaker, true)).toBe(true)
  })

  test('a failed probe opens it for five more seconds', () => {
    const clock = new Clock()
    const breaker = breakerAt(clock)
    calls(breaker, 20, false)
    clock.ms += 5_000
    expect(call(breaker, false)).toBe(true)
    clock.ms += 4_999
    expect(breaker.enter()).toBeUndefined()
    clock.ms += 1
    expect(breaker.enter()).toBeDefined()
  })

  test('a good probe starts with a clean window', () => {
    const clock = new Clock()
    const breaker = breakerAt(clock)
    calls(breaker, 20, false)
    clock.ms += 5_000
    call(breaker, true)
    calls(breaker, 19, false)
    expect(breaker.enter()).toBeDefined()
  })

  test('a call that began before it opened neither closes nor prolongs it', () => {
    const clock = new Clock()
    const breaker = breakerAt(clock)
    const early = breaker.enter()
    calls(breaker, 20, false)
    early?.(true)
    expect(breaker.enter()).toBeUndefined()
    clock.ms += 5_000
    expect(breaker.enter()).toBeDefined()
  })

  test('agrees with a model that remembers every call', () => {
    const step = fc.record({ afterMs: fc.nat(1_500), good: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const clock = new Clock()
        const breaker = breakerAt(clock)
        let seen: { readonly slice: number; readonly good: boolean }[] = []
        let openedAt: number | undefined
        for (const { afterMs, good } of steps) {
          clock.ms += afterMs
          const wanted = openedAt === undefined || clock.ms >= openedAt + 5_000
          expect(call(breaker, good)).toBe(wanted)
          if (!wanted) continue
          if (openedAt !== undefined) {
            seen = []
            openedAt = good ? undefined : clock.ms
            continue
          }
          const slice = Math.floor(clock.ms / 100)
          seen = [...seen.filter((one) => one.slice > slice - 100), { slice, good }]
          const bad = seen.filter((one) => !one.good).length
          if (seen.length >= 20 && bad / seen.length >= 0.5) openedAt = clock.ms
        }
      }),
    )
  })
})
