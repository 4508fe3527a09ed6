import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { driven, runBy, type Act, type Phase, type Way } from './testing/order.suite.ts'

const RUNS = { numRuns: 150 }

const act = (fromMs: number, toMs: number): fc.Arbitrary<Act> =>
  fc.record({
    input: fc.constantFrom('left', 'right'),
    key: fc.constantFrom('a', 'b', 'c'),
    n: fc.nat(40),
    atMs: fc.integer({ min: fromMs / 2, max: toMs / 2 }).map((half) => 2 * half),
    replayed: fc.boolean().map((is) => is && toMs > 100),
  })

const live = (acts: readonly Act[]): Act[] => acts.map((one) => ({ ...one, replayed: false }))

/** A backlog, and later more of it, of which some is older than the first. */
const phases: fc.Arbitrary<readonly Phase[]> = fc
  .tuple(fc.array(act(0, 100), { maxLength: 25 }), fc.array(act(60, 200), { maxLength: 25 }), fc.nat(60))
  .map(([first, second, lateMs]) => [
    { nowMs: 100 + lateMs, acts: first },
    { nowMs: 230 + lateMs, acts: second },
  ])

const way: fc.Arbitrary<Way> = fc.record({
  recordsPerRoundMax: fc.constantFrom(1, 2, 5, 100),
  timersPerRoundMax: fc.constantFrom(1, 2, 3, 100),
  recordsPerTopicMax: fc.constantFrom(1, 3, 100),
  deliverMax: fc.constantFrom(1, 2, 100),
  draws: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 20 }),
})

const AT_ONCE: Way = {
  recordsPerRoundMax: 1000,
  timersPerRoundMax: 1000,
  recordsPerTopicMax: 1000,
  deliverMax: 1000,
  draws: [0],
}

describe('what a task does with its input', () => {
  it('fault R13: is the same, byte for byte, whatever the sizes of rounds and the order of fetches', async () => {
    await fc.assert(
      fc.asyncProperty(phases, way, async (given, by) => {
        expect(await runBy(by, given)).toEqual(await runBy(AT_ONCE, given))
      }),
      RUNS,
    )
  }, 120_000)

  it('fault R13: is what the testing driver does, record by record in the order of time', async () => {
    await fc.assert(
      fc.asyncProperty(phases, way, async (given, by) => {
        const lively = given.map(({ nowMs, acts }) => ({ nowMs, acts: live(acts) }))
        const { told, rows } = await runBy(by, lively)
        const wanted = driven(lively)
        // Timers of one instant have an order of their own, and touch no row but their key's.
        expect([...told].sort()).toEqual([...wanted.told].sort())
        expect(rows.map(stateOf)).toEqual(wanted.rows)
      }),
      RUNS,
    )
  }, 120_000)
})

const Stored = z.object({ state: z.unknown() })

const stateOf = (row: string): string => {
  const [key = '', ...rest] = row.split(' ')
  return `${key} ${JSON.stringify(Stored.parse(JSON.parse(rest.join(' '))).state)}`
}
