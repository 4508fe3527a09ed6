import { describe, expect, it } from 'vitest'
import { MUTANTS } from './mutants.ts'
import { runSeed, type RunResult } from './run.ts'

/** What a mutant may need at most; most are found by the first seed. */
const MUTANT_SEEDS_MAX = 300

async function firstViolation(plant: (typeof MUTANTS)[string]): Promise<RunResult | null> {
  for (let seed = 1; seed <= MUTANT_SEEDS_MAX; seed += 1) {
    const result = await runSeed(seed, { plant: plant() })
    if (result.violations.length > 0) return result
  }
  return null
}

describe('the hunt', () => {
  it.each(Object.entries(MUTANTS))(
    'catches the planted defect %s',
    async (_, plant) => expect(await firstViolation(plant)).not.toBeNull(),
    180_000,
  )
})
