import { checkEdges } from './edges.ts'
import { checkNothingNew, type Said } from './forgotten.ts'
import { checkOrder } from './order.ts'
import { sightsOf } from './lost.ts'
import { checkOutbound } from './outbound.ts'
import { checkReceipts } from './receipts.ts'
import { checkNothingLeft, checkRuntime } from './runtime.ts'
import { checkSegments } from './segments.ts'
import type { Accepted } from '../traffic.ts'
import type { World } from '../world.ts'

/**
 * Violations that are noted of one run: the first ones say what is wrong, the others follow from
 * it.
 */
const VIOLATIONS_MAX = 12

/**
 * Everything that must be true of what a run leaves on the log, recomputed from its input and not
 * asked of the code under test.
 */
export async function checkOutcome(world: World, accepted: ReadonlyMap<string, Accepted>): Promise<void> {
  const complain = complainTo(world)
  const { ever, untouched, spared } = sightsOf(world)
  await checkRuntime(ever, complain)
  checkOutbound(ever, accepted, complain, spared)
  checkReceipts(untouched, complain)
  checkSegments(untouched, complain)
  checkEdges(ever, complain)
}

/** Everything that must be true once all lifetimes have ended. */
export async function checkEnd(world: World): Promise<void> {
  const complain = complainTo(world)
  const { ever } = sightsOf(world)
  await checkRuntime(ever, complain)
  await checkNothingLeft(world, complain)
  checkEdges(ever, complain)
}

/** Everything that must be true when all has been read again after its lifetime. */
export async function checkForgotten(
  world: World,
  before: Said,
  ends: ReadonlyMap<string, number> | null,
): Promise<void> {
  const complain = complainTo(world)
  await checkRuntime(world, complain, 'forgotten')
  checkNothingNew(world, before, complain)
  if (ends !== null) checkOrder(world, ends, complain)
  checkEdges(world, complain)
}

const complainTo =
  ({ history }: World) =>
  (what: string): void => {
    if (history.violations.length < VIOLATIONS_MAX) history.violation(what)
  }
