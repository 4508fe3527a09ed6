import { BUCKETS_B1, type Metrics } from '../streams/platform/metrics.ts'

export type Instruments = ReturnType<typeof createInstruments>

/** The metrics of the submit path: [M4], [M5], [M11], [M13] to [M15]. */
export const createInstruments = (metrics: Metrics) => ({
  submits: metrics.counter('orch_submit_total', 'Submitted messages by result', ['result']),
  submitSeconds: metrics.histogram('orch_submit_latency_seconds', 'From request to 202', BUCKETS_B1),
  submitsInFlight: metrics.gauge('orch_submit_inflight', 'Submits being handled'),
  cacheHits: metrics.counter('orch_idempotency_cache_hit_total', 'Replies found in Redis'),
  publishErrors: metrics.counter('orch_nats_publish_errors_total', 'Publishes without an ack', ['stream']),
  postgresErrors: metrics.counter('orch_pg_errors_total', 'Failed statements', ['op']),
  redisErrors: metrics.counter('orch_redis_errors_total', 'Failed commands', ['op']),
  outboxPending: metrics.gauge('orch_outbox_pending', 'Outbox rows, counted up to a bound'),
  /** Ours [SM26]: rows that were put aside, and how many there are. */
  outboxDeadLetters: metrics.counter('orch_outbox_dead_letters_total', 'Outbox rows put aside'),
  outboxDead: metrics.gauge('orch_outbox_dead', 'Outbox rows that nobody tries any more'),
  outboxOldestSeconds: metrics.gauge('orch_outbox_oldest_seconds', 'Age of the oldest outbox row'),
  /** Ours: the alert OrchHigh5xx [A9] needs the share of 5xx. As yet there is no rule file. */
  responses: metrics.counter('orch_http_responses_total', 'Answers by route and status', ['route', 'status']),
})
