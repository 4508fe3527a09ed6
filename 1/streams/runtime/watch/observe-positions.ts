import type { Logger } from '../../platform/logger.ts'
import type { Metrics } from '../../platform/metrics.ts'
import type { Readiness } from '../../platform/operations-server.ts'
import { PositionWatch, type PositionHooks, type PositionWatchOptions } from './position-watch.ts'
import type { Stuck } from './standing.ts'

/**
 * Metrics and log lines of a position watch. `lag` is for a process that has no lag gauge of its
 * own.
 */
export function observePositions(
  logger: Logger,
  metrics: Metrics,
  lag: PositionHooks['lag'] = () => {},
): PositionHooks {
  const count = metrics.counter('stream_stuck_total', 'Times that a partition got stuck', ['reader', 'topic'])
  return {
    stuck: ({ reader, at, doing, next }, quietMs, behind) => {
      const { topic, partition } = at
      count.inc({ reader, topic })
      const task = `${reader}.${partition}`
      logger.error('stream.stuck', {
        task,
        topic,
        partition,
        offset: next,
        remaining: behind,
        durationMs: quietMs,
        status: doing,
      })
    },
    moved: ({ reader, at: { topic, partition } }) =>
      logger.info('stream.moves_again', { task: `${reader}.${partition}`, topic, partition }),
    lag,
    unknown: (error) => logger.warn('stream.ends_unknown', { error }),
  }
}

/**
 * The watch of a process, on the clock of the machine, with its metrics and log lines. Starts with
 * `start()`.
 */
export const watchPositions = (options: WatchOptions): PositionWatch =>
  new PositionWatch({
    ...options,
    ...options.clock,
    hooks: observePositions(options.logger, options.metrics, options.lag),
  })

export interface WatchOptions extends Pick<PositionWatchOptions, 'readers' | 'admin' | 'stuckAfterMs'> {
  readonly clock: Pick<PositionWatchOptions, 'now' | 'sleep'>
  readonly logger: Logger
  readonly metrics: Metrics
  readonly lag?: PositionHooks['lag']
}

/**
 * `stream_lag` of a topology's inputs [M40]. Each process reports what it holds: the sum is the
 * lag.
 */
export function gaugeLag(metrics: Metrics): PositionHooks['lag'] {
  const gauge = metrics.gauge('stream_lag', 'Records up to the last stable offset that are not processed', [
    'topology',
    'topic',
  ])
  return (topology, topic, records) => gauge.set({ topology, topic }, records)
}

/**
 * Whether the process should be left alone: what is stuck stays so until it is started again [H9].
 */
export function livenessOf(watch: PositionWatch): Readiness {
  const details = new Map<string, string>()
  for (const one of watch.stuck()) {
    const task = `${one.standing.reader}.${one.standing.at.partition}`
    const before = details.get(task)
    details.set(task, before === undefined ? tell(one) : `${before}; ${tell(one)}`)
  }
  if (watch.isLogAway) details.set('log', 'does not answer')
  return { ready: watch.stuck().length === 0, details: Object.fromEntries(details) }
}

const tell = ({ standing: { at, next, doing }, quietMs, behind }: Stuck): string =>
  `stuck at ${at.topic} ${at.partition} offset ${next ?? 'unknown'}, ${behind} behind, ${doing}, no movement for ${Math.round(quietMs / 1000)} s`
