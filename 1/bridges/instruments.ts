import type { Counter, Gauge, Histogram } from 'prom-client'
import { BUCKETS_B1, type Metrics } from '../streams/platform/metrics.ts'

/**
 * Metrics of the bridges: [M8], [M13], [M23], [M25], [M38], [M39]. `subject` is the topic's name:
 * never one per operator.
 */
export interface Instruments {
  readonly in: Counter<'subject'>
  readonly out: Counter<'subject'>
  readonly deadLetters: Counter<'subject'>
  readonly replaysSuppressed: Counter<'subject'>
  readonly lag: Gauge<'subject'>
  readonly lastProgress: Gauge<'subject'>
  readonly dlrOutboxPending: Gauge
  readonly dlrAckPending: Gauge
  readonly publishErrors: Counter<'stream'>
  /** Accept to command acknowledged by NATS. */
  readonly pipelineTotal: Histogram
}

/** `receiptsActive` is asked at every scrape. */
export function bridgeInstruments(metrics: Metrics, receiptsActive: () => boolean): Instruments {
  const subject = ['subject'] as const
  return {
    in: metrics.counter('bridge_in_total', 'Messages mirrored from NATS to the log', subject),
    out: metrics.counter('bridge_out_total', 'Records mirrored from the log to NATS', subject),
    deadLetters: metrics.counter('bridge_deadletter_total', 'Records that can never be mirrored', subject),
    replaysSuppressed: metrics.counter(
      'bridge_replay_suppressed_total',
      'Commands not published because they were replayed or published before',
      subject,
    ),
    lag: metrics.gauge('bridge_lag', 'Records or messages that are not mirrored yet', subject),
    lastProgress: metrics.gauge(
      'bridge_last_progress_timestamp_seconds',
      'When the mirror last moved or had nothing to do',
      subject,
    ),
    ...receiptInstruments(metrics, receiptsActive),
    publishErrors: metrics.counter(
      'orch_nats_publish_errors_total',
      'Publishes to NATS that were not acknowledged',
      ['stream'],
    ),
    pipelineTotal: metrics.histogram(
      'orch_pipeline_total_seconds',
      'From the acceptance of a message to the acknowledgement of its command by NATS',
      BUCKETS_B1,
    ),
  }
}

function receiptInstruments(
  metrics: Metrics,
  active: () => boolean,
): Pick<Instruments, 'dlrOutboxPending' | 'dlrAckPending'> {
  const status: Gauge = metrics.gauge(
    'dlr_nats_consumer_status',
    '1 when the receipt consumer is active',
    [],
    () => status.set(active() ? 1 : 0),
  )
  return {
    dlrOutboxPending: metrics.gauge(
      'dlr_outbox_pending_count',
      'Records of DLR topics that NATS has not acknowledged',
    ),
    dlrAckPending: metrics.gauge(
      'dlr_nats_ack_pending',
      'Receipts delivered by NATS and not yet acknowledged',
    ),
  }
}
