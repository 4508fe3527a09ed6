import { OUTBOUND_MIRRORS } from '../../streams/contracts/subjects.ts'
import { groupLag } from '../../streams/log/group-positions.ts'
import type { LogClient } from '../../streams/log/port.ts'
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
 * Follows how many records NATS has not acknowledged yet [M23], [M39], for the whole group and from
 * the group's own cursors. So the figure is right whichever replica reports it, also while one of
 * them is stuck.
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
  const lags = await groupLag(log.admin, group, topics)
  let dlrPending = 0
  for (const [subject, lag] of lags) {
    instruments.lag.set({ subject }, lag)
    if (lag === 0) instruments.lastProgress.set({ subject }, now() / 1_000)
    if (DLR_TOPICS.has(subject)) dlrPending += lag
  }
  instruments.dlrOutboxPending.set(dlrPending)
}
