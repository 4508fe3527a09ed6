import { CORRELATION_LIMITS } from '../../../topologies/receipts/correlation.ts'
import { SEEN_MAX } from '../../../topologies/receipts/intake.ts'
import { RUNS_MAX } from '../../../topologies/outbound/message.ts'
import type { AllOptions } from '../../../topologies/all.ts'
import type { Dice } from './dice.ts'

export type RowLimits = Required<Pick<AllOptions, 'runsMax' | 'seenMax' | 'correlation'>>

/**
 * What rows may hold: as in production, or so little that a flood of receipts and one replay of a
 * dead letter fill them, and no ordinary message does.
 */
export function rowLimitsBy(dice: Dice): RowLimits {
  const { waitingMax, decidedMax } = CORRELATION_LIMITS
  return {
    runsMax: dice.pick([RUNS_MAX, 2, 3]),
    seenMax: dice.pick([SEEN_MAX, 12]),
    correlation: {
      waitingMax: dice.pick([waitingMax, 8]),
      decidedMax: dice.pick([decidedMax, 32]),
    },
  }
}
