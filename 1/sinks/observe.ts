import { SubmitResultsPending } from './postgres/submit-frontier.ts'
import { StatementFailed } from './postgres/statement.ts'
import type { SinkHooks } from './sink.ts'
import { LogError, type LogRecord, type TopicPartition } from '../streams/log/port.ts'
import type { Logger } from '../streams/platform/logger.ts'
import type { Metrics } from '../streams/platform/metrics.ts'

/**
 * What a sink tells the people who run it: the metrics [M14], [M22], [M41] and the log event
 * [LG13].
 */
export interface Observation {
  readonly hooks: (sinkName: string) => SinkHooks
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

export function observe(metrics: Metrics, logger: Logger): Observation {
  const rows = metrics.counter('sink_rows_total', 'Records stored by a sink', ['sink', 'topic'])
  const refused = metrics.counter('sink_refused_total', 'Records that a sink cannot read', ['sink', 'topic'])
  const dead = metrics.counter('sink_dead_letters_total', 'Records that no table takes', ['sink', 'topic'])
  const lag = metrics.gauge('sink_lag', 'Records not yet stored', ['sink', 'topic'])
  const skipped = metrics.counter('sink_mirror_skipped_total', 'Redis mirror keys skipped')
  const redisErrors = metrics.counter('orch_redis_errors_total', 'Redis errors', ['op'])
  return {
    hooks: (sink) => ({
      written: (topic, records) => rows.inc({ sink, topic }, records),
      unreadable: ({ topic, partition, offset }, reason, errors) => {
        refused.inc({ sink, topic })
        const paths = errors.map(({ path }) => path)
        logger.error('sink.unreadable', { topic, partition, offset, reason, paths })
      },
    }),
    fault: databaseFaults(metrics, logger),
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

function databaseFaults(metrics: Metrics, logger: Logger): Observation['fault'] {
  const dlr = metrics.counter('dlr_db_errors_total', 'Database errors of the receipt sinks', ['operation'])
  const orch = metrics.counter('orch_pg_errors_total', 'Database errors of the message sink', ['op'])
  return (sinkName, { topic, partition }, error, attempt) => {
    if (error instanceof SubmitResultsPending) {
      return logger.debug('sink.waiting', { topic, partition, attempt, reason: 'submit_results_pending' })
    }
    if (error instanceof LogError) return logger.warn('sink.log_error', { topic, partition, attempt, error })
    const operation = error instanceof StatementFailed ? error.operation : 'connection'
    const isOrch = sinkName === 'orch'
    if (isOrch) orch.inc({ op: operation })
    else dlr.inc({ operation })
    logger.error(isOrch ? 'orch.db_error' : 'dlr.db_error', { operation, topic, partition, attempt, error })
  }
}
