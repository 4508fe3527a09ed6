import type { MemoryFaults } from '../../../streams/log/memory/faults.ts'
import type { Dice } from './dice.ts'
import type { History } from './history.ts'

const TURN_DELAY_RATES = [0, 0, 0.01, 0.05, 0.15]
export const TURN_DELAY_MS_MAX = 400

/** Faults that happen to one request, by the name under which they are counted. */
const REQUEST_FAULTS = {
  records_refused: 'recordsRefused',
  records_in_parts: 'recordsInParts',
  records_partial: 'recordsPartial',
  records_again: 'recordsAgain',
  commit_again: 'commitAgain',
  fence_again: 'fenceAgain',
  commit_lost: 'beforeCommit',
  commit_refused: 'commitRefused',
  commit_late: 'commitLate',
  commit_reply_lost: 'afterCommitBeforeReply',
  fence_refused: 'fenceRefused',
  read_refused: 'readRefused',
  request_refused: 'adminRefused',
  delivery_delayed: 'deliver',
  write_lost: 'writeLost',
  write_partial: 'writePartial',
  write_reply_lost: 'writeReplyLost',
  write_late: 'writeLate',
  write_again: 'writeAgain',
  cursors_lost: 'cursorsLost',
  cursors_reply_lost: 'cursorsReplyLost',
  cursors_again: 'cursorsAgain',
} as const satisfies Readonly<Record<string, keyof MemoryFaults>>
export type RequestFault = keyof typeof REQUEST_FAULTS

/** Faults that happen to a process, its machine or the group, at any moment. */
export const MOMENT_FAULTS = [
  'crash',
  'store_lost',
  'restart',
  'zombie',
  'rebalance',
  'compaction',
  'transaction_expired',
  'clock_forward',
  'clock_back',
  'lookups_down',
  'lookups_slow',
  'leaderless',
  'bridge_crash',
  'bridge_restart',
  'bridge_zombie',
  'bridge_frozen',
  'gateway_crash',
  'journal_lost',
  'durable_lost',
  'bridge_frozen_long',
] as const
export type MomentFault = (typeof MOMENT_FAULTS)[number]

/** Faults of one request to NATS. */
const EDGE_FAULTS = ['publish_lost', 'publish_reply_lost', 'publish_late', 'ack_lost', 'lookup_lost'] as const
export type EdgeFault = (typeof EDGE_FAULTS)[number]

/** Probability of each request fault at its point, and of each moment fault at each step. */
export interface FaultPlan {
  readonly requests: ReadonlyMap<RequestFault, number>
  readonly moments: ReadonlyMap<MomentFault, number>
  readonly edges: ReadonlyMap<EdgeFault, number>
  /** Probability that one step comes later than those around it. */
  readonly delayed: number
}

export const NO_FAULTS: FaultPlan = {
  requests: new Map(),
  moments: new Map(),
  edges: new Map(),
  delayed: 0,
}

const requestFaults = (): RequestFault[] => {
  const names: RequestFault[] = []
  for (const name in REQUEST_FAULTS) if (isRequestFault(name)) names.push(name)
  return names
}
const isRequestFault = (name: string): name is RequestFault => name in REQUEST_FAULTS

const MOMENT_RATE = 0.0012
/** Of all runs: what takes so long moves all clocks. */
const LONG_RATE = 0.3

/** How many kinds there are, without the step that comes late. */
export const FAULT_KINDS = Object.keys(REQUEST_FAULTS).length + MOMENT_FAULTS.length + EDGE_FAULTS.length + 1

/**
 * Swarm testing (Groce et al., ISSTA 2012): each run has a random subset of the faults at random
 * rates, because a fault that is always there hides what happens without it.
 */
export function planFaults(dice: Dice, long: Dice, isOften: boolean): FaultPlan {
  const calm = dice.chance(0.04)
  const requests = new Map<RequestFault, number>()
  for (const name of requestFaults()) {
    if (!calm && dice.chance(0.5)) requests.set(name, rateOf(name) * dice.pick([0.3, 1, 3]))
  }
  const moments = calm ? new Map<MomentFault, number>() : planMoments(dice, long, isOften)
  const edges = calm ? NO_FAULTS.edges : planEdges(dice)
  return { requests, moments, edges, delayed: calm ? 0 : dice.pick(TURN_DELAY_RATES) }
}

function planMoments(dice: Dice, long: Dice, isOften: boolean): Map<MomentFault, number> {
  const moments = new Map<MomentFault, number>()
  if (long.chance(LONG_RATE)) moments.set('bridge_frozen_long', MOMENT_RATE * long.pick([1, 3]))
  for (const name of MOMENT_FAULTS) {
    if (name === 'bridge_frozen_long' && !isOften) continue
    if (dice.chance(0.6)) moments.set(name, MOMENT_RATE * dice.pick([0.3, 1, 3]))
  }
  return moments
}

function planEdges(dice: Dice): Map<EdgeFault, number> {
  const edges = new Map<EdgeFault, number>()
  for (const name of EDGE_FAULTS) {
    // Few lookups are made: one for each operator that a bridge gets.
    const rate = name === 'lookup_lost' ? 0.25 : 0.03
    if (dice.chance(0.5)) edges.set(name, rate * dice.pick([0.3, 1, 3]))
  }
  return edges
}

const FREQUENT: readonly RequestFault[] = ['delivery_delayed', 'records_in_parts', 'records_partial']
const rateOf = (name: RequestFault): number => (FREQUENT.includes(name) ? 0.15 : 0.03)

/** The hooks of the log, which strike while `isActive` and by the dice. */
export function requestFaultHooks(
  plan: FaultPlan,
  dice: Dice,
  history: History,
  isActive: () => boolean,
): MemoryFaults {
  const hooks: { [K in keyof MemoryFaults]: (at: object) => boolean } = {}
  for (const [name, rate] of plan.requests) {
    hooks[REQUEST_FAULTS[name]] = (at) => {
      if (!isActive() || !dice.chance(rate)) return false
      history.fault(name, aboutOf(at))
      return true
    }
  }
  return hooks
}

function aboutOf(at: object): string {
  if ('transactionalId' in at) return String(at.transactionalId)
  if ('group' in at) return String(at.group)
  if ('operation' in at) return String(at.operation)
  return 'topic' in at && 'partition' in at ? `${String(at.topic)}:${String(at.partition)}` : ''
}
