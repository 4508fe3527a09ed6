import type { Logger } from '../../platform/logger.ts'
import type { Metrics } from '../../platform/metrics.ts'
import type { Readiness } from '../../platform/operations-server.ts'
import { taskName, type Hooks, type TaskId } from './hooks.ts'
import { observeNotes, type NoteRules } from './observe-notes.ts'
import { observeSpans } from './observe-spans.ts'
import { observeRestores } from './observe-restores.ts'

/** The one place where what the runtime reports becomes metrics and log lines. */
const COMMIT_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

export interface Observation {
  readonly logger: Logger
  readonly metrics: Metrics
  readonly now: () => number
  /** What the processors note. */
  readonly notes: NoteRules
  /** Unreadable records of some topics have a name of their own. */
  readonly poison?: PoisonRules
  /** Whether spans go anywhere; else none is made. */
  readonly traced?: boolean
}

/** By topic: the log event, and a counter beside `stream_poisoned_total`. */
export type PoisonRules = Readonly<
  Record<
    string,
    { readonly event: string; readonly counter: { readonly name: string; readonly help: string } }
  >
>

export function observe(observation: Observation): Hooks {
  const { logger, metrics, poison = {} } = observation
  const life = observeLife(logger, metrics)
  const restores = observeRestores(logger, metrics)
  return {
    ...observeRounds(metrics),
    ...life,
    ...restores,
    // A restore that was broken off has nothing left to restore until the next begins.
    recovering: (id, error) => {
      restores.ended(id)
      life.recovering(id, error)
    },
    closed: (id) => {
      restores.ended(id)
      life.closed(id)
    },
    poisoned: observePoison(logger, metrics, poison),
    noted: noted(observation),
  }
}

function noted({ logger, metrics, now, notes, traced = false }: Observation): Hooks['noted'] {
  const told = observeNotes(logger, metrics, notes, now)
  if (!traced) return told
  const traces = observeSpans(notes, now)
  return (task, list) => {
    told(task, list)
    traces(task, list)
  }
}

type Rounds = Pick<Hooks, 'committed' | 'asked'>

function observeRounds(metrics: Metrics): Rounds {
  const records = metrics.counter('stream_records_total', 'Records processed', ['topology', 'topic'])
  const written = metrics.counter('stream_records_written_total', 'Records written, changelogs included', [
    'topology',
  ])
  const fired = metrics.counter('stream_timers_fired_total', 'Timers fired', ['topology'])
  const commits = metrics.histogram('stream_commit_seconds', 'Time of one transaction', COMMIT_BUCKETS, [
    'topology',
  ])
  const asked = metrics.histogram(
    'stream_asked_seconds',
    'Time to answer the questions of a round',
    COMMIT_BUCKETS,
    ['topology'],
  )
  const questions = metrics.counter('stream_questions_total', 'Questions asked', ['topology'])
  return {
    committed: ({ topology }, figures) => {
      for (const [topic, count] of figures.read) records.inc({ topology, topic }, count)
      written.inc({ topology }, figures.written)
      if (figures.fired > 0) fired.inc({ topology }, figures.fired)
      commits.observe({ topology }, figures.commitMs / 1000)
    },
    asked: ({ topology }, count, elapsedMs) => {
      questions.inc({ topology }, count)
      asked.observe({ topology }, elapsedMs / 1000)
    },
  }
}

function observeLife(
  logger: Logger,
  metrics: Metrics,
): Omit<Hooks, keyof Rounds | 'poisoned' | 'noted' | 'restored' | 'restoring'> {
  const events = metrics.counter('stream_task_events_total', 'Turns in the life of a task', [
    'topology',
    'event',
  ])
  const event = (level: keyof Logger, name: string) => (id: TaskId, error?: unknown) => {
    events.inc({ topology: id.topology, event: name })
    logger[level](`stream.task_${name}`, { task: taskName(id), ...(error !== undefined && { error }) })
  }
  return {
    running: event('info', 'running'),
    recovering: event('warn', 'recovering'),
    outdated: event('info', 'outdated'),
    wiped: event('warn', 'wiped'),
    failed: event('error', 'failed'),
    closed: event('info', 'closed'),
    standbyFailed: event('warn', 'standby_failed'),
    inputLost: (id, topic, fate, from, to) => {
      events.inc({ topology: id.topology, event: `input_${fate}` })
      const lost = { topic, partition: id.partition, offset: to, remaining: Math.max(0, from - to) }
      logger.error(`stream.input_${fate}`, { task: taskName(id), ...lost })
    },
    clockDoubted: (topology, durationMs) => {
      events.inc({ topology, event: 'clock_doubted' })
      logger.error('stream.clock_ahead_of_log', { topology, durationMs })
    },
    gap: (id, topic, from, to) =>
      logger.error('stream.records_lost_by_retention', {
        task: taskName(id),
        topic,
        offset: from,
        records: to - from,
      }),
  }
}

function observePoison(logger: Logger, metrics: Metrics, rules: PoisonRules): Hooks['poisoned'] {
  const poison = metrics.counter('stream_poisoned_total', 'Unreadable records', [
    'topology',
    'topic',
    'reason',
  ])
  const counters = new Map(
    Object.entries(rules).map(([topic, { counter }]) => [topic, metrics.counter(counter.name, counter.help)]),
  )
  return (id, topic, offset, reason, paths) => {
    poison.inc({ topology: id.topology, topic, reason })
    counters.get(topic)?.inc()
    const fields = { topic, partition: id.partition, offset, reason, paths }
    logger.warn(rules[topic]?.event ?? 'stream.poisoned', fields)
  }
}

/** What is asked of a worker by health and metrics. */
export interface Watched {
  readonly name: string
  readonly ready: boolean
  status(): readonly {
    readonly partition: number
    readonly state: string
    readonly doing: string
    readonly buffered: number
    readonly pendingTimers: ReadonlyMap<string, number> | undefined
  }[]
  standbys(): ReadonlyMap<number, number>
}

export function readinessOf(workers: readonly Watched[]): Readiness {
  const details = workers.map((worker): [string, string] => {
    const tasks = worker.status().map(({ partition, doing }) => `${partition} ${doing}`)
    return [worker.name, tasks.length === 0 ? 'no task' : tasks.join(', ')]
  })
  return { ready: workers.every((worker) => worker.ready), details: Object.fromEntries(details) }
}

export function gaugeTasks(metrics: Metrics, workers: readonly Watched[]): void {
  gaugeStandbys(metrics, workers)
  const tasks = metrics.gauge('stream_tasks', 'Tasks of this process', ['topology', 'state'], () => {
    tasks.reset()
    for (const worker of workers) {
      for (const { state } of worker.status()) tasks.inc({ topology: worker.name, state })
    }
  })
  const buffered = metrics.gauge(
    'stream_buffered_records',
    'Records read and not yet processed',
    ['topology'],
    () => {
      for (const worker of workers) {
        const sum = worker.status().reduce((total, task) => total + task.buffered, 0)
        buffered.set({ topology: worker.name }, sum)
      }
    },
  )
  gaugeTimers(metrics, workers)
}

/** `topic` is the changelog of the store whose rows the timers stand in [M40]. */
function gaugeTimers(metrics: Metrics, workers: readonly Watched[]): void {
  const labels = ['topology', 'topic'] as const
  const timers = metrics.gauge(
    'stream_timers_pending',
    'Armed timers of the tasks counted so far',
    labels,
    () => {
      timers.reset()
      for (const worker of workers) {
        for (const { pendingTimers } of worker.status()) {
          for (const [topic, count] of pendingTimers ?? [])
            timers.inc({ topology: worker.name, topic }, count)
        }
      }
    },
  )
}

function gaugeStandbys(metrics: Metrics, workers: readonly Watched[]): void {
  const labels = ['topology', 'partition'] as const
  const help = 'Changelog records that a copy kept of another task is missing'
  const behind = metrics.gauge('stream_standby_behind', help, labels, () => {
    behind.reset()
    for (const worker of workers) {
      for (const [partition, records] of worker.standbys())
        behind.set({ topology: worker.name, partition: String(partition) }, records)
    }
  })
}
