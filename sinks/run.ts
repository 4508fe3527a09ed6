import type { LogClient } from '../streams/log/port.ts'
import type { Sleep } from '../streams/platform/backoff.ts'
import { consume, type Consumption } from '../streams/runtime/consume.ts'
import { groupLag } from '../streams/log/group-positions.ts'
import type { Observation } from './observe.ts'
import type { Sink } from './sink.ts'
import { inWriteSpan } from './spans.ts'

export interface RunOptions {
  readonly log: LogClient
  readonly observation: Observation
  readonly recordsMax: number
  readonly sleep: Sleep
  readonly random: () => number
  readonly onFailed: (error: unknown) => void
}

/** Puts a sink to work on the partitions that its group assigns to this process. */
export const run = (sink: Sink, options: RunOptions): Promise<Consumption> =>
  consume({
    log: options.log,
    group: sink.group,
    topics: sink.topics,
    handle: async (batch) => {
      await inWriteSpan(sink.name, batch, () => sink.handle(batch))
      options.observation.stored(batch)
    },
    recordsMax: options.recordsMax,
    sleep: options.sleep,
    random: options.random,
    onFault: (at, error, attempt) => options.observation.fault(sink.name, at, error, attempt),
    onStopped: (at, error) => options.observation.stopped(sink.name, at, error),
    onFailed: options.onFailed,
  })

export interface LagWatch {
  close(): Promise<void>
}

/**
 * Keeps the gauge `sink_lag` up to date. While the log is away the last figures stay, and readiness
 * says why.
 */
export function watchLag(
  sinks: readonly Sink[],
  options: Pick<RunOptions, 'log' | 'observation' | 'sleep'> & {
    readonly everyMs: number
    readonly onFault: (error: unknown) => void
  },
): LagWatch {
  const stop = new AbortController()
  const watched = watch(sinks, options, stop.signal)
  return {
    close: async () => {
      stop.abort()
      await watched
    },
  }
}

async function watch(
  sinks: readonly Sink[],
  { log, observation, sleep, everyMs, onFault }: Parameters<typeof watchLag>[1],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for (const { name, group, topics } of sinks) {
        const lag = await groupLag(log.admin, group, topics)
        for (const [topic, records] of lag) observation.lag(name, topic, records)
      }
    } catch (error) {
      onFault(error)
    }
    await sleep(everyMs, signal)
  }
}
