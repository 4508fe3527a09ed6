/**
 * What the topologies find worth counting or logging, as data: the observer of the runtime turns it
 * into metrics ([M4] to [M27]) and log lines ([LG8] to [LG17]). A label is the note's field of the
 * same name in camel case. A note carries ids and bounded words only. Numbers, senders and texts of
 * a message have no field here.
 */
interface Counter {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}

interface NoteRule {
  /** Absent: counted, not logged. */
  readonly level?: 'debug' | 'info' | 'warn' | 'error'
  readonly counters?: readonly Counter[]
  /** A histogram of the time from the record on the log to the commit of what came of it. */
  readonly age?: Counter & { readonly buckets?: 'B1' }
  readonly span?: { readonly name: string; readonly within?: string }
  /** Gauges of what is so at present, each from the field `of`; gone when it is absent. */
  readonly gauges?: readonly (Counter & { readonly of: string })[]
  readonly share?: { readonly name: string; readonly help: string; readonly side: 'part' | 'whole' }
}

const counted = (name: string, help: string, ...labels: string[]): Counter => ({ name, help, labels })

const orphanRate = (side: 'part' | 'whole') => ({
  name: 'dlr_orphan_rate',
  help: 'Orphans in percent of the receipts of the last 5 min',
  side,
})

const ofOperator = (name: string, help: string, of: string) => ({
  ...counted(`dlr_operator_${name}`, help, 'operator_id'),
  of,
})

export const NOTES = {
  'orch.transition': { level: 'info' },
  'orch.stage': {
    counters: [counted('orch_pipeline_stage_total', 'Steps of the outbound pipeline', 'stage', 'result')],
    age: {
      ...counted(
        'orch_pipeline_stage_duration_seconds',
        'From what caused a step, on the log or by a timer, to its commit',
        'stage',
      ),
      buckets: 'B1',
    },
    span: { name: 'orch.pipeline.{stage}', within: 'orch.pipeline.total' },
  },
  'orch.retry': {
    level: 'warn',
    counters: [counted('orch_retry_total', 'Retries scheduled, by number', 'attempt')],
  },
  'orch.dead_letter': {
    level: 'error',
    counters: [counted('orch_dlq_total', 'Messages given up before they were sent', 'reason')],
  },
  'orch.routing_error': {
    counters: [
      counted('orch_routing_engine_errors_total', 'Answers of the routing engine but OK', 'grpc_code'),
    ],
  },
  'orch.illegal_transition': {
    level: 'error',
    counters: [counted('orch_illegal_transition_total', 'Refused changes of a message status')],
  },
  'dlr.received': {
    level: 'info',
    counters: [counted('dlr_messages_received_total', 'Valid receipts', 'operator_id')],
    share: orphanRate('whole'),
    span: { name: 'dlr.intake' },
  },
  'dlr.redelivered': {
    level: 'debug',
    counters: [counted('dlr_redelivered_total', 'Receipts dropped by event id')],
  },
  'dlr.dedup': {
    level: 'debug',
    counters: [counted('dlr_dedup_total', 'Receipts dropped by fingerprint', 'operator_id')],
  },
  'dlr.correlated': { level: 'info', span: { name: 'dlr.correlate' } },
  'dlr.correlation_retry': {
    counters: [counted('dlr_correlation_retry_total', 'Further looks for a submitted segment')],
  },
  'dlr.orphaned': {
    level: 'warn',
    share: orphanRate('part'),
    span: { name: 'dlr.correlate' },
    counters: [
      counted('dlr_orphans_total', 'Receipts that match no submitted segment', 'operator_id'),
      counted('dlr_orphan_total', 'Alias of dlr_orphans_total', 'operator_id'),
    ],
  },
  /** An accepted segment without an id can never be correlated [ST1]. */
  'dlr.sent_without_id': { level: 'warn' },
  'dlr.duplicate': {
    level: 'info',
    counters: [counted('dlr_duplicates_total', 'Receipts dropped by identity', 'operator_id')],
  },
  'dlr.processed': {
    level: 'info',
    span: { name: 'dlr.aggregate' },
    /**
     * A receipt that waited for its submit result carries the instant at which it was found: the
     * wait does not count.
     */
    age: counted(
      'dlr_processing_duration_seconds',
      'From the receipt on the log to the commit of what it changed, without the correlation wait',
      'dlr_status',
    ),
    counters: [
      counted('dlr_messages_processed_total', 'Receipts taken by a segment', 'dlr_status', 'operator_id'),
    ],
  },
  'dlr.late': {
    level: 'info',
    counters: [counted('dlr_late_total', 'Receipts for a closed message', 'operator_id')],
  },
  'dlr.quarantined': {
    level: 'warn',
    counters: [counted('dlr_quarantined_total', 'Late receipts from a stale buffer', 'operator_id')],
  },
  'dlr.partial': {
    level: 'warn',
    counters: [counted('dlr_partial_total', 'Messages closed by the end of their grace')],
  },
  /** The command may have gone by the age of its stream, or no operator was bound [F10]. */
  'dlr.not_sent': {
    level: 'warn',
    counters: [counted('dlr_not_sent_total', 'Messages closed of which no operator ever had a part')],
  },
  'operator.quality': {
    gauges: [
      ofOperator('orphan_rate', 'Orphans in percent of the receipts of 5 min', 'orphanPercent'),
      ofOperator('late_rate', 'Late in percent of the receipts of 5 min', 'latePercent'),
      ofOperator('quarantine_rate', 'Replayed from a stale buffer, in percent', 'quarantinedPercent'),
      ofOperator('delivery_rate', 'Delivered in percent of the segments that ended', 'deliveredPercent'),
      ofOperator('latency_p50_seconds', 'Half of the deliveries were told within', 'latencyP50Seconds'),
      ofOperator(
        'latency_p95_seconds',
        'All but 5 % of the deliveries were told within',
        'latencyP95Seconds',
      ),
    ],
  },
  /**
   * A segment beyond the message's number of parts: one of the two statements about it is wrong.
   */
  'dlr.segment_outside': { level: 'warn' },
} as const satisfies Readonly<Record<string, NoteRule>>

export type NoteName = keyof typeof NOTES

/**
 * What a record that cannot be read is called, by its topic, where the rules have a name for it
 * [D1].
 */
export const POISON = {
  'sms.dlr.inbound': {
    event: 'dlr.validation_failed',
    counter: counted('dlr_validation_errors_total', 'Receipts that cannot be read'),
  },
} as const
