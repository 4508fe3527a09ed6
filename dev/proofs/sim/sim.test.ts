import { describe, expect, it } from 'vitest'
import { FAULT_KINDS } from './faults.ts'
import { LOSS_KINDS } from './losses.ts'
import { MUTANTS } from './mutants.ts'
import { runSeed } from './run.ts'

/** On a machine that does much else. */
const WITHIN_MS = 300_000
const SEEDS_MIN = 30
const SEEDS_MAX = 120
// Of the log, of NATS and of a moment; what the log loses, and the cursors that are moved.
const KINDS = FAULT_KINDS + LOSS_KINDS.length + 1
describe('the simulation', () => {
  it(
    'violates nothing under the faults of its first seeds, and injects faults of every kind',
    async () => {
      const kinds = new Set<string>()
      for (let seed = 1; seed <= SEEDS_MIN || (kinds.size < KINDS && seed <= SEEDS_MAX); seed += 1) {
        const { violations, faults } = await runSeed(seed)
        expect(violations, `npm run sim -- --seed ${seed}`).toEqual([])
        for (const kind of faults.keys()) kinds.add(kind)
      }
      expect(kinds.size).toBe(KINDS)
    },
    WITHIN_MS,
  )

  it(
    'repeats a seed step by step, and another seed is another run',
    async () => {
      const [first, again, other] = [await runSeed(7), await runSeed(7), await runSeed(8)]
      expect(again.hash).toBe(first.hash)
      expect(again.steps).toBe(first.steps)
      expect(other.hash).not.toBe(first.hash)
    },
    WITHIN_MS,
  )
})

describe('a task that waits for ever', () => {
  it(
    'is noticed by its position, in a process that is alive',
    async () => {
      const plant = MUTANTS['commit-never-answers']?.() ?? {}
      const { violations } = await runSeed(1, { plant, calm: true })
      expect(violations.join()).toMatch(/is stuck running for 20\d{3} ms/)
    },
    WITHIN_MS,
  )
})

describe('a planted defect of timing', () => {
  const needsNoFault = [
    'dedupe-off',
    'timer-not-durable',
    'outputs-outside-transaction',
    'replay-not-marked',
    'commit-never-answers',
    'standby-loses-rows',
    'tombstones-not-restored',
    'seen-max-off-by-one',
    'mark-not-raised-without-effects',
    'timers-after-records',
    'timers-when-any-input-is-reached',
    'inputs-merged-by-name',
    'bridge-publishes-replayed',
    'bridge-marks-not-read',
    'bridge-mark-not-awaited',
    'bridge-publishes-without-id',
    // Whose cursor is left behind last looks as if it had something to read.
    'one-group-left-out',
  ]
  const mutants = Object.entries(MUTANTS).filter(([name]) => !needsNoFault.includes(name))

  // Otherwise a wrapper that merely breaks the runtime would pass for a defect that was found.
  it.each(mutants)(
    '%s shows only under faults',
    async (_, plant) => {
      for (const seed of [1, 2, 3, 4, 5]) {
        const { violations } = await runSeed(seed, { plant: plant(), calm: true })
        expect(violations).toEqual([])
      }
    },
    WITHIN_MS,
  )
})
