import { SubmitResultsPending } from './postgres/submit-frontier.ts'
import { StatementFailed } from './postgres/statement.ts'
import type { SinkHooks } from './sink.ts'
import { statusEvents } from '../streams/contracts/outbound.ts'
import { isReplayed, LogError, type LogRecord, type TopicPartition } from '../streams/log/port.ts'
import type { Logger } from '../streams/platform/logger.ts'
import { BUCKETS_B1, type Metrics } from '../streams/platform/metrics.ts'
import type { Batch } from '../streams/runtime/consume.ts'

/**
 * What a sink tells the people who run it: the metrics [M14], [M22], [M41] and the log event
 * [LG13].
 */
export interface Observation {
  readonly hooks: (sinkName: string) => SinkHooks
  /** What can be read of a batch is in its table. */
  readonly stored: (batch: Batch) => void
  /** A batch was refused and will be tried again. */
  readonly fault: (sinkName: string, at: TopicPartition, error: unknown, attempt: number) => void
  /** The log gives no more of a partition, which needs a person; the others go on. */
  readonly stopped: (sinkName: string, at: TopicPartition, error: LogError) => void
  /** A record that no table takes has been put aside [DB77]. */
  readonly putAside: (sinkName: string, record: LogRecord, cause: StatementFailed) => void
  /** Redis was away; the keys are skipped [O12]. */
  readonly mirrorsSkipped: (keys: number, error: unknown) => void
  readonly lag: (sinkName: string, topic: string, records: number) => void
}

export function observe(metrics: Metrics, logger: Logger, now: () => number): Observation {
  const persisted = persistStage(metrics, now)
  const rows = metrics.counter('sink_rows_total', 'Records stored by a sink', ['sink', 'topic'])
  const refused = metrics.counter('sink_refused_total', 'Records that a sink cannot read', ['sink', 'topic'])
  const dead = metrics.counter('sink_dead_letters_total', 'Records that no table takes', ['sink', 'topic'])
  const lag = metrics.gauge('sink_lag', 'Records not yet stored', ['sink', 'topic'])
  const skipped = metrics.counter('sink_mirror_skipped_total', 'Redis mirror keys skipped')
  const redisErrors = metrics.counter('orch_redis_errors_total', 'Redis errors', ['op'])
  return {
    hooks: (sink) => ({
      written: (topic, records) => {
        rows.inc({ sink, topic }, records)
        if (topic === statusEvents.name) persisted.written(records)
      },
      unreadable: ({ topic, partition, offset }, reason, errors) => {
        refused.inc({ sink, topic })
        const paths = errors.map(({ path }) => path)
        logger.error('sink.unreadable', { topic, partition, offset, reason, paths })
      },
    }),
    stored: persisted.stored,
    fault: databaseFaults(metrics, logger, persisted.failed),
    stopped: (operation, { topic, partition }, error) =>
      logger.error('sink.partition_stopped', { operation, topic, partition, error }),
    putAside: (sink, { topic, partition, offset }, { operation, code }) => {
      dead.inc({ sink, topic })
      logger.error('sink.dead_letter', { topic, partition, offset, operation, code })
    },
    mirrorsSkipped: (keys, error) => {
      skipped.inc(keys)
      redisErrors.inc({ op: 'mirror' })
      logger.debug('sink.mirror_skipped', { records: keys, error })
    },
    lag: (sink, topic, records) => lag.set({ sink, topic }, records),
  }
}

/** The stage `persist` of the pipeline ([M6], [M7]): the status of a message is in its row. */
function persistStage(metrics: Metrics, now: () => number) {
  const results = metrics.counter('orch_pipeline_stage_total', 'Steps of the outbound pipeline', [
    'stage',
    'result',
  ])
  const ages = metrics.histogram(
    'orch_pipeline_stage_duration_seconds',
    'From the status on the log to its row',
    BUCKETS_B1,
    ['stage'],
  )
  const stage = 'persist'
  return {
    written: (records: number) => results.inc({ stage, result: 'ok' }, records),
    failed: () => results.inc({ stage, result: 'fail' }),
    stored: ({ topic, records }: Batch) => {
      if (topic !== statusEvents.name) return
      const nowMs = now()
      for (const { headers, timestamp } of records) {
        // What is read again was measured when it was stored first [M3].
        if (!isReplayed(headers)) ages.observe({ stage }, Math.max(0, nowMs - timestamp) / 1000)
      }
    },
  }
}

function databaseFaults(metrics: Metrics, logger: Logger, onOrch: () => void): Observation['fault'] {
  const dlr = metrics.counter('dlr_db_errors_total', 'Database errors of the receipt sinks', ['operation'])
  const orch = metrics.counter('orch_pg_errors_total', 'Database errors of the message sink', ['op'])
  return (sinkName, { topic, partition }, error, attempt) => {
    if (error instanceof SubmitResultsPending) {
      return logger.debug('sink.waiting', { topic, partition, attempt, reason: 'submit_results_pending' })
    }
    if (error instanceof LogError) return logger.warn('sink.log_error', { topic, partition, attempt, error })
    const operation = error instanceof StatementFailed ? error.operation : 'connection'
    const isOrch = sinkName === 'orch'
    if (isOrch) {
      orch.inc({ op: operation })
      onOrch()
    } else dlr.inc({ operation })
    logger.error(isOrch ? 'orch.db_error' : 'dlr.db_error', { operation, topic, partition, attempt, error })
  }
}
