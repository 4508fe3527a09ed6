import { BUCKETS_B1, type Metrics } from '../streams/platform/metrics.ts'
import { OPERATOR_STATES, type OperatorState } from './operator/states.ts'

/**
 * Metrics of one operator ([M28] to [M37]). The operator_id label is filled in here and nowhere
 * else.
 */
export interface OperatorMetrics {
  state(state: OperatorState): void
  submitted(status: 'success' | 'error' | 'throttled', seconds: number): void
  receipt(stat: string): void
  correlationMiss(): void
  acceptedWithoutId(): void
  mobileOriginated(): void
  throughputDenied(): void
  /** Asked whenever the metrics are read, so that it falls to 0 without traffic. */
  throughputUsed(read: () => number): void
  throughputFallback(active: boolean): void
  reconnectAttempt(): void
  bindPaused(paused: boolean): void
  enquireLinkTimeout(): void
  bytesSent(bytes: number): void
  bytesReceived(bytes: number): void
  longMessageSegment(strategy: 'csms' | 'tlv'): void
  inDoubt(policy: 'resubmit' | 'drop'): void
  lateAnswer(): void
  uncertain(): void
  unknownStatus(status: number): void
  senderRefused(): void
  strayResponse(): void
  encodingHintIgnored(): void
  invalidCommand(): void
  faultyCommand(): void
}

export interface GatewayMetrics {
  of(operatorId: string): OperatorMetrics
  journalUnavailable(): void
}

/** Registers the gateway's metrics, once a process. */
export function gatewayMetrics(metrics: Metrics): GatewayMetrics {
  const instruments = { ...traffic(metrics), ...session(metrics), ...flow(metrics) }
  const journal = metrics.counter(`${PREFIX}journal_unavailable_total`, 'Progress neither read nor written')
  return { of: (operatorId) => viewOf(instruments, operatorId), journalUnavailable: () => journal.inc() }
}

const PREFIX = 'smpp_connector_'
/**
 * A raw status word is the operator's. Only the usual ones become labels, or it could make as many
 * series as it likes.
 */
const STAT_LABELS: ReadonlySet<string> = new Set([
  'DELIVRD',
  'UNDELIV',
  'EXPIRED',
  'DELETED',
  'ACCEPTD',
  'UNKNOWN',
  'REJECTD',
  'ENROUTE',
  'FAILED',
])

/** Like a status word, a code is the operator's: the first ones become labels. */
const CODE_LABELS_MAX = 64
function codeLabels(): (status: number) => string {
  const known = new Set<number>()
  return (status) => {
    if (known.size < CODE_LABELS_MAX) known.add(status)
    return known.has(status) ? `0x${status.toString(16).padStart(2, '0')}` : 'OTHER'
  }
}

const counter = <L extends string = never>(
  metrics: Metrics,
  name: string,
  help: string,
  labels: readonly L[] = [],
) => metrics.counter(PREFIX + name, help, ['operator_id', ...labels])

const gauge = <L extends string = never>(
  metrics: Metrics,
  name: string,
  help: string,
  labels: readonly L[] = [],
) => metrics.gauge(PREFIX + name, help, ['operator_id', ...labels])

const traffic = (metrics: Metrics) => ({
  submits: counter(metrics, 'submit_sm_total', 'submit_sm answered', ['status']),
  durations: metrics.histogram(
    `${PREFIX}submit_sm_duration_seconds`,
    'submit_sm until its response',
    BUCKETS_B1,
    ['operator_id'],
  ),
  receipts: counter(metrics, 'dlr_received_total', 'Receipts published', ['status']),
  misses: counter(metrics, 'dlr_correlation_not_found_total', 'Receipts of messages unknown to this process'),
  withoutId: counter(metrics, 'accepted_without_id_total', 'Segments taken without a usable message_id'),
  originated: counter(metrics, 'mobile_originated_total', 'Short messages that are no receipts'),
  long: counter(metrics, 'long_message_segments_total', 'submit_sm of long messages', ['strategy']),
  hints: counter(metrics, 'encoding_hint_ignored_total', 'Commands whose encoding differs from their text'),
  faulty: counter(metrics, 'faulty_commands_total', 'Commands whose handling failed by a defect of ours'),
  invalid: counter(metrics, 'invalid_commands_total', 'Commands that do not fit their schema or subject'),
})

const session = (metrics: Metrics) => ({
  states: gauge(metrics, 'sessions_total', '1 in the current state of the operator', ['state']),
  reconnects: counter(metrics, 'reconnect_attempts_total', 'Attempts to bind after a failure'),
  paused: gauge(metrics, 'bind_paused', '1 while refused credentials keep from binding'),
  enquire: counter(metrics, 'enquire_link_timeout_total', 'enquire_link without answer'),
  sent: counter(metrics, 'pdu_bytes_sent_total', 'Bytes written to the operator'),
  received: counter(metrics, 'pdu_bytes_received_total', 'Bytes read from the operator'),
})

/** Gauges that are read and not set. */
function usedThroughput(metrics: Metrics): Map<string, () => number> {
  const readers = new Map<string, () => number>()
  const used = metrics.gauge(
    `${PREFIX}tps_current`,
    'Permits granted here in the last second',
    ['operator_id'],
    () => {
      for (const [operatorId, read] of readers) used.set({ operator_id: operatorId }, read())
    },
  )
  return readers
}

const flow = (metrics: Metrics) => ({
  used: usedThroughput(metrics),
  denied: counter(metrics, 'tps_throttle_total', 'PDUs deferred by the throughput limit'),
  fallback: gauge(metrics, 'tps_fallback', '1 while the limit is kept without Redis'),
  doubt: counter(metrics, 'in_doubt_total', 'Segments whose fate is unknown', ['policy']),
  late: counter(metrics, 'late_answers_total', 'submit_sm answered after the deadline'),
  uncertain: counter(metrics, 'uncertain_total', 'Segments reported without knowing whether they were taken'),
  unknown: counter(metrics, 'unknown_status_total', 'submit_sm answered with a status not listed', ['code']),
  sender: counter(metrics, 'sender_refused_total', "Messages whose sender is not in the operator's alphabet"),
  codeLabel: codeLabels(),
  stray: counter(metrics, 'stray_responses_total', 'Responses that nobody waits for'),
})

type Instruments = ReturnType<typeof traffic> & ReturnType<typeof session> & ReturnType<typeof flow>

function viewOf(to: Instruments, operatorId: string): OperatorMetrics {
  const operator = { operator_id: operatorId }
  return {
    ...perPdu(to, operator),
    state: (state) => {
      for (const name of OPERATOR_STATES) to.states.set({ ...operator, state: name }, name === state ? 1 : 0)
    },
    correlationMiss: () => to.misses.inc(operator),
    acceptedWithoutId: () => to.withoutId.inc(operator),
    mobileOriginated: () => to.originated.inc(operator),
    throughputUsed: (read) => void to.used.set(operatorId, read),
    throughputFallback: (active) => to.fallback.set(operator, active ? 1 : 0),
    reconnectAttempt: () => to.reconnects.inc(operator),
    bindPaused: (isPaused) => to.paused.set(operator, isPaused ? 1 : 0),
    enquireLinkTimeout: () => to.enquire.inc(operator),
    inDoubt: (policy) => to.doubt.inc({ ...operator, policy }),
    lateAnswer: () => to.late.inc(operator),
    uncertain: () => to.uncertain.inc(operator),
    unknownStatus: (status) => to.unknown.inc({ ...operator, code: to.codeLabel(status) }),
    senderRefused: () => to.sender.inc(operator),
    strayResponse: () => to.stray.inc(operator),
    encodingHintIgnored: () => to.hints.inc(operator),
    invalidCommand: () => to.invalid.inc(operator),
    faultyCommand: () => to.faulty.inc(operator),
  }
}

type PerPdu = Pick<
  OperatorMetrics,
  'submitted' | 'receipt' | 'bytesSent' | 'bytesReceived' | 'longMessageSegment' | 'throughputDenied'
>

/** Counts in the series of each label, which `make` finds once. */
function seriesOf<L extends string>(make: (label: L) => { inc(): void }): (label: L) => void {
  const made = new Map<L, { inc(): void }>()
  return (label) => {
    const series = made.get(label) ?? make(label)
    made.set(label, series)
    series.inc()
  }
}

/** The series of what every PDU counts are looked up once: a look-up costs more than the count. */
function perPdu(to: Instruments, operator: { readonly operator_id: string }): PerPdu {
  const submits = seriesOf((status: string) => to.submits.labels({ ...operator, status }))
  const receipts = seriesOf((status: string) => to.receipts.labels({ ...operator, status }))
  const long = seriesOf((strategy: string) => to.long.labels({ ...operator, strategy }))
  const durations = to.durations.labels(operator)
  const [sent, received, denied] = [to.sent, to.received, to.denied].map((each) => each.labels(operator))
  return {
    submitted: (status, seconds) => {
      submits(status)
      durations.observe(seconds)
    },
    receipt: (stat) => receipts(STAT_LABELS.has(stat) ? stat : 'OTHER'),
    longMessageSegment: long,
    throughputDenied: () => denied?.inc(),
    bytesSent: (bytes) => sent?.inc(bytes),
    bytesReceived: (bytes) => received?.inc(bytes),
  }
}
