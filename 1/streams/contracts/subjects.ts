/**
 * The one table that says which NATS subject mirrors which topic, in which direction, through which
 * stream and durable [EV4] to [EV16]. A subject and its topic carry the same payload, byte for byte
 * [EV1].
 */
export interface StreamSpec {
  readonly name: string
  readonly subjects: readonly string[]
  readonly maxAgeMs: number
}

export interface Mirror {
  readonly topic: string
  /** `smpp.operator.{operatorId}` is filled from the record's key. */
  readonly subject: string
  readonly stream: string
}

export interface InboundMirror extends Mirror {
  /** Several mirrors may share one, if their subjects are all of the stream [EV7]. */
  readonly durable: string
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export const DUPLICATE_WINDOW_MS = 600_000

export const STREAMS: readonly StreamSpec[] = [
  { name: 'SMS_OUTBOUND', subjects: ['sms.outbound.request', 'sms.outbound.cancel'], maxAgeMs: DAY_MS },
  { name: 'SMS_RETRY', subjects: ['sms.outbound.retry'], maxAgeMs: 7 * DAY_MS },
  { name: 'SMS_DLQ', subjects: ['sms.outbound.deadletter'], maxAgeMs: 30 * DAY_MS },
  { name: 'SMS_EVENTS', subjects: ['sms.events.status'], maxAgeMs: 7 * DAY_MS },
  { name: 'SMPP_OUTBOUND', subjects: ['smpp.operator.*'], maxAgeMs: 3 * DAY_MS },
  { name: 'SMPP_EVENTS', subjects: ['smpp.submit.result'], maxAgeMs: 3 * DAY_MS },
  { name: 'SMS_DLR', subjects: ['sms.dlr.inbound'], maxAgeMs: 3 * DAY_MS },
  { name: 'SMS_DLR_OUT', subjects: ['sms.dlr.aggregated.v1', 'sms.dlr.unmatched'], maxAgeMs: 7 * DAY_MS },
  { name: 'BILLING_EVENTS', subjects: ['billing.events'], maxAgeMs: 7 * DAY_MS },
  { name: 'WEBHOOK_EVENTS', subjects: ['webhook.dispatch'], maxAgeMs: 7 * DAY_MS },
  { name: 'OPERATOR_EVENTS', subjects: ['operator.health'], maxAgeMs: DAY_MS },
]

const inbound = (topic: string, stream: string, durable: string): InboundMirror => ({
  topic,
  subject: topic,
  stream,
  durable,
})

const outbound = (topic: string, stream: string, subject = topic): Mirror => ({ topic, subject, stream })

export const SUBMIT_RESULT_MIRROR = inbound('smpp.submit.result', 'SMPP_EVENTS', 'submit-result-mirror')

export const INBOUND_MIRRORS: readonly InboundMirror[] = [
  inbound('sms.outbound.request', 'SMS_OUTBOUND', 'orch-consumer'),
  inbound('sms.outbound.cancel', 'SMS_OUTBOUND', 'orch-consumer'),
  SUBMIT_RESULT_MIRROR,
  inbound('sms.dlr.inbound', 'SMS_DLR', 'dlr-processor'),
  inbound('operator.health', 'OPERATOR_EVENTS', 'health-mirror'),
]

/** The mirrors of each inbound durable, by its name. */
export const INBOUND_DURABLES: ReadonlyMap<string, readonly InboundMirror[]> = new Map(
  INBOUND_MIRRORS.map(({ durable }) => [durable, INBOUND_MIRRORS.filter((one) => one.durable === durable)]),
)

export const OUTBOUND_MIRRORS: readonly Mirror[] = [
  outbound('sms.outbound.retry', 'SMS_RETRY'),
  outbound('sms.outbound.deadletter', 'SMS_DLQ'),
  outbound('sms.events.status', 'SMS_EVENTS'),
  outbound('smpp.operator', 'SMPP_OUTBOUND', 'smpp.operator.{operatorId}'),
  outbound('sms.dlr.aggregated.v1', 'SMS_DLR_OUT'),
  outbound('sms.dlr.unmatched', 'SMS_DLR_OUT'),
  outbound('billing.events', 'BILLING_EVENTS'),
  outbound('webhook.dispatch', 'WEBHOOK_EVENTS'),
]

/**
 * `<type>:<eventId>` [EV50]. A request is known by its messageId alone, as the gateway before this
 * one has it: while both are running, what both publish collapses.
 */
export const natsMessageId = (type: string, eventId: string): string => `${type}:${eventId}`

export const commandSubject = (operatorId: string): string => `smpp.operator.${operatorId}`
export const commandDurable = (operatorId: string): string => `smpp-connector-${operatorId}`
