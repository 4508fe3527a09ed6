import { MESSAGE_STATUSES, type MessageStatus, OUTCOMES } from '../statuses.ts'

export type DeadLetterReason = 'validation' | 'no_route' | 'publish_fail' | 'max_attempts'

export interface Transition {
  /** The code of its rule, [T1] to [T15]. */
  readonly id: string
  /** Null: no state yet. */
  readonly from: MessageStatus | null
  readonly cause: string
  readonly to: readonly MessageStatus[]
  /** Set when the transition also emits `sms.outbound.deadletter`. */
  readonly deadLetter?: DeadLetterReason
}

/**
 * Every move a message can make, [T1] to [T15]. Each emits one `sms.events.status` with seq + 1
 * [T20]. [T10] has two rows: a command that cannot be written, and one that NATS refused.
 */
export const TRANSITIONS = [
  { id: 'T1', from: null, cause: 'first sms.outbound.request', to: ['QUEUED'] },
  { id: 'T2', from: 'QUEUED', cause: 'domain validation fails', to: ['FAILED'], deadLetter: 'validation' },
  { id: 'T3', from: 'QUEUED', cause: 'valid', to: ['ROUTING'] },
  { id: 'T4', from: 'ROUTING', cause: 'route found', to: ['ROUTED'] },
  { id: 'T5', from: 'ROUTING', cause: 'no route', to: ['FAILED'], deadLetter: 'no_route' },
  { id: 'T6', from: 'ROUTING', cause: 'question refused', to: ['FAILED'], deadLetter: 'validation' },
  { id: 'T7', from: 'ROUTING', cause: 'transient failure, retries left', to: ['ROUTING'] },
  {
    id: 'T8',
    from: 'ROUTING',
    cause: 'transient failure, no retry left',
    to: ['DEAD_LETTER'],
    deadLetter: 'max_attempts',
  },
  { id: 'T9', from: 'ROUTED', cause: 'command written', to: ['SENT'] },
  {
    id: 'T10',
    from: 'ROUTED',
    cause: 'command cannot be published',
    to: ['DEAD_LETTER'],
    deadLetter: 'publish_fail',
  },
  {
    id: 'T10',
    from: 'SENT',
    cause: 'smpp.dispatch.refused',
    to: ['DEAD_LETTER'],
    deadLetter: 'publish_fail',
  },
  { id: 'T11', from: 'SENT', cause: 'sms.dlr.aggregated.v1', to: OUTCOMES },
  { id: 'T12', from: 'DEAD_LETTER', cause: 'operator replay', to: ['ROUTING'] },
  { id: 'T13', from: null, cause: 'first sms.outbound.request with sendAt', to: ['SCHEDULED'] },
  { id: 'T14', from: 'SCHEDULED', cause: 'timer at sendAt', to: ['QUEUED'] },
  { id: 'T15', from: 'SCHEDULED', cause: 'sms.outbound.cancel', to: ['CANCELLED'] },
] as const satisfies readonly Transition[]

/** DEAD_LETTER is not among them: an operator may replay it [T12]. */
export const FINAL_STATUSES = [
  'FAILED',
  'DELIVERED',
  'UNDELIVERED',
  'EXPIRED',
  'REJECTED',
  'PARTIAL',
  'CANCELLED',
] as const satisfies readonly MessageStatus[]
export type FinalStatus = (typeof FINAL_STATUSES)[number]

const NOTHING: ReadonlySet<MessageStatus> = new Set()

const movesFrom = (from: MessageStatus | null): readonly MessageStatus[] =>
  TRANSITIONS.filter((transition) => transition.from === from).flatMap((transition) => transition.to)

const reachable: ReadonlyMap<MessageStatus | null, ReadonlySet<MessageStatus>> = new Map(
  [null, ...MESSAGE_STATUSES].map((from) => [from, new Set(movesFrom(from))]),
)

/**
 * Whether the table has a move between the two; anything else must be refused, logged and counted
 * [T21].
 */
export const canMove = (from: MessageStatus | null, to: MessageStatus): boolean =>
  (reachable.get(from) ?? NOTHING).has(to)

const finals: ReadonlySet<MessageStatus> = new Set(FINAL_STATUSES)

export const isFinal = (status: MessageStatus): status is FinalStatus => finals.has(status)
