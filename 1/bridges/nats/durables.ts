import {
  commandDurable,
  commandSubject,
  INBOUND_DURABLES,
  type InboundMirror,
} from '../../streams/contracts/subjects.ts'

/** A pull durable with explicit acks. */
export interface DurableSpec {
  readonly stream: string
  readonly name: string
  /** One subject; undefined: all of the stream. A list is what nats-server 2.9 does not know. */
  readonly filter: string | undefined
  readonly ackWaitMs: number
  /** Messages delivered and not yet acknowledged, over all readers; -1 without a bound. */
  readonly maxAckPending: number
  /**
   * To deliver what was acknowledged before would do harm: its reader need not know it again. Made
   * again it starts after its mark. What the other durables deliver a second time is dropped by id.
   */
  readonly isOnce?: true
}

export interface DurableOptions {
  /** One `smpp-connector-{operatorId}` for each. */
  readonly operatorIds: readonly string[]
  /** Consumer concurrency of receipts [SL10]: the only bound of `dlr-processor`. */
  readonly dlrConcurrency: number
}

/**
 * What a killed bridge had in hand comes again after this, and receipts that need it wait for so
 * long. A bridge at work says so three times as often. A message that comes twice is dropped by its
 * id further on.
 */
export const INBOUND_ACK_WAIT_MS = 10_000
/** Messages that go to the log in one write. */
export const INBOUND_BATCH_MAX = 500

const GATEWAY_ACK_WAIT_MS = 60_000
/**
 * No bound: commands that wait for their next try are not acknowledged, and must not keep new ones
 * from being delivered [B6]. The gateway bounds what it pulls.
 */
const UNBOUNDED = -1
const HEALTH_STREAM = 'OPERATOR_EVENTS'
const HEALTH_SUBJECT = 'operator.health'
const HEALTH_READERS = ['routing-engine-health', 'ops-health-consumer'] as const
const HEALTH_ACK_PENDING = 1_000

export function durables(options: DurableOptions): readonly DurableSpec[] {
  return [
    ...[...INBOUND_DURABLES.values()].flatMap(([mirror, ...more]) =>
      mirror === undefined ? [] : [mirrorDurable(mirror, more.length > 0, options)],
    ),
    ...options.operatorIds.map(gatewayDurable),
    ...HEALTH_READERS.map((name) => ({
      stream: HEALTH_STREAM,
      name,
      filter: HEALTH_SUBJECT,
      ackWaitMs: INBOUND_ACK_WAIT_MS,
      maxAckPending: HEALTH_ACK_PENDING,
    })),
  ]
}

const mirrorDurable = (mirror: InboundMirror, isShared: boolean, options: DurableOptions): DurableSpec => ({
  stream: mirror.stream,
  name: mirror.durable,
  filter: isShared ? undefined : mirror.subject,
  ackWaitMs: INBOUND_ACK_WAIT_MS,
  maxAckPending: mirrorAckPending(mirror, options),
})

/**
 * `operator.health` is the state of an operator by key, on a compacted topic, where the last value
 * wins. So its order must survive even a lost connection, and one message at a time is enough for
 * it. Of the others every message stands for itself: one batch may be on its way to the log while
 * the next is being delivered.
 */
function mirrorAckPending(mirror: InboundMirror, options: DurableOptions): number {
  if (mirror.subject === HEALTH_SUBJECT) return 1
  if (mirror.durable === 'dlr-processor') return options.dlrConcurrency
  return 2 * INBOUND_BATCH_MAX
}

const gatewayDurable = (operatorId: string): DurableSpec => ({
  stream: 'SMPP_OUTBOUND',
  name: commandDurable(operatorId),
  filter: commandSubject(operatorId),
  ackWaitMs: GATEWAY_ACK_WAIT_MS,
  maxAckPending: UNBOUNDED,
  isOnce: true,
})
