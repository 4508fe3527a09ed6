import { OUTBOUND_MIRRORS } from '../../streams/contracts/subjects.ts'
import { partitionKey, type LogClient, type TopicPartition } from '../../streams/log/port.ts'
import type { Sleep } from '../../streams/platform/backoff.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import type { Instruments } from '../instruments.ts'
import { DLR_TOPICS } from './outbound/mirrors.ts'

export interface LagOptions {
  readonly log: LogClient
  readonly group: string
  readonly instruments: Instruments
  readonly logger: Logger
  readonly pollMs: number
  readonly now: () => number
  readonly sleep: Sleep
}

export interface LagWatch {
  close(): Promise<void>
}

/**
 * Follows what is committed and not yet acknowledged by NATS, for the whole group and from the group's own cursors, so that
 * the figure is right whichever replica reports it and also while one of them is stuck.
 */
export function watchLag(options: LagOptions): LagWatch {
  const stop = new AbortController()
  const done = follow(options, stop.signal)
  return {
    close: () => {
      stop.abort()
      return done
    },
  }
}

async function follow(options: LagOptions, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    try {
      await observe(options)
    } catch (error) {
      options.logger.debug('bridge.lag_unknown', { error })
    }
    await options.sleep(options.pollMs, stop)
  }
}

async function observe({ log, group, instruments, now }: LagOptions): Promise<void> {
  const topics = OUTBOUND_MIRRORS.map(({ topic }) => topic)
  const lags = await outboundLags(log, group, topics)
  let dlrPending = 0
  for (const [subject, lag] of lags) {
    instruments.lag.set({ subject }, lag)
    if (lag === 0) instruments.lastProgress.set({ subject }, now() / 1_000)
    if (DLR_TOPICS.has(subject)) dlrPending += lag
  }
  instruments.dlrOutboxPending.set(dlrPending)
}

/** Offsets between the group's cursor and the end, by topic. Counts control records, which vanish with the next read. */
async function outboundLags(
  log: LogClient,
  group: string,
  topics: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const counts = await log.admin.partitions(topics)
  const at = [...counts].flatMap(([topic, count]): TopicPartition[] =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  )
  const [bounds, committed] = await Promise.all([log.admin.bounds(at), log.admin.committed(group, at)])
  const lags = new Map<string, number>()
  for (const one of at) {
    const key = partitionKey(one)
    const { start, end } = bounds.get(key) ?? { start: 0, end: 0 }
    const next = Math.max(start, committed.get(key)?.next ?? start)
    lags.set(one.topic, (lags.get(one.topic) ?? 0) + Math.max(0, end - next))
  }
  return lags
}
