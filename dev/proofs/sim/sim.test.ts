import { describe, expect, it } from 'vitest'
import { FAULT_KINDS } from './faults.ts'
import { HUNTED, MUTANTS } from './mutants.ts'
import { runSeed, type RunResult } from './run.ts'

const SEEDS = Array.from({ length: 30 }, (_, index) => index + 1)
/** What a mutant may need at most; most are found by the first seed. */
const MUTANT_SEEDS_MAX = 300

async function firstViolation(plant: (typeof MUTANTS)[string]): Promise<RunResult | null> {
  for (let seed = 1; seed <= MUTANT_SEEDS_MAX; seed += 1) {
    const result = await runSeed(seed, { plant: plant() })
    if (result.violations.length > 0) return result
  }
  return null
}

describe('the simulation', () => {
  it('violates nothing under the faults of its first seeds, and injects faults of every kind', async () => {
    const kinds = new Set<string>()
    for (const seed of SEEDS) {
      const { violations, faults } = await runSeed(seed)
      expect(violations, `npm run sim -- --seed ${seed}`).toEqual([])
      for (const kind of faults.keys()) kinds.add(kind)
    }
    // Those of the log, of NATS and of a moment, and the cursors that are moved.
    expect(kinds.size).toBe(FAULT_KINDS + 1)
  }, 60_000)

  it('repeats a seed step by step, and another seed is another run', async () => {
    const [first, again, other] = [await runSeed(7), await runSeed(7), await runSeed(8)]
    expect(again.hash).toBe(first.hash)
    expect(again.steps).toBe(first.steps)
    expect(other.hash).not.toBe(first.hash)
  })

  it.each(HUNTED)(
    'catches the planted defect %s',
    async (_, plant) => expect(await firstViolation(plant)).not.toBeNull(),
    180_000,
  )
})

describe('a task that waits for ever', () => {
  it('is noticed by its position, in a process that is alive', async () => {
    const plant = MUTANTS['commit-never-answers']?.() ?? {}
    const { violations } = await runSeed(1, { plant, calm: true })
    expect(violations.join()).toMatch(/is stuck running for 20\d{3} ms/)
  })
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
  ]
  const mutants = HUNTED.filter(([name]) => !needsNoFault.includes(name))

  // Otherwise a wrapper that merely breaks the runtime would pass for a defect that was found.
  it.each(mutants)('%s shows only under faults', async (_, plant) => {
    for (const seed of SEEDS.slice(0, 5)) {
      const { violations } = await runSeed(seed, { plant: plant(), calm: true })
      expect(violations).toEqual([])
    }
  })
})
