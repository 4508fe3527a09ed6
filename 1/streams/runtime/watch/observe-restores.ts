import type { Logger } from '../../platform/logger.ts'
import type { Metrics } from '../../platform/metrics.ts'
import { taskName, type Hooks, type RestoreProgress, type TaskId } from './hooks.ts'

/** A restore that goes on says how far it is this often. */
export const RESTORE_LINE_EVERY_MS = 10_000

/** The restore of one task; it stays, with nothing left, until the task is closed. */
interface Restore {
  readonly topology: string
  readonly isOver: boolean
  readonly left: ReadonlyMap<string, number>
  readonly records: number
  /** When the last line was written, since the start. */
  readonly toldMs: number
}

export interface RestoreHooks extends Pick<Hooks, 'restoring' | 'restored'> {
  ended(task: TaskId): void
}

/**
 * Restores as they go: how many records are left (an upper bound: compaction and markers leave gaps
 * in the offsets) and how fast it goes, which is the rate of the counter. One line at the start,
 * one every RESTORE_LINE_EVERY_MS, one at the end.
 */
export function observeRestores(logger: Logger, metrics: Metrics): RestoreHooks {
  const restores = new Map<string, Restore>()
  gaugeRemaining(metrics, restores)
  const restored = metrics.counter('stream_restored_records_total', 'Changelog records restored', [
    'topology',
  ])
  const lines = restoreLines(logger)
  return {
    restoring: (id, progress) => {
      const { records, elapsedMs } = progress
      const known = restores.get(taskName(id))
      const before = known === undefined || known.isOver ? begun(lines, id, progress) : known
      const isDue = elapsedMs - before.toldMs >= RESTORE_LINE_EVERY_MS
      if (isDue) lines.going(id, progress)
      restored.inc({ topology: id.topology }, records - before.records)
      const toldMs = isDue ? elapsedMs : before.toldMs
      restores.set(taskName(id), { ...before, left: new Map(progress.left), records, toldMs })
    },
    restored: (id, records, elapsedMs) => {
      const before = restores.get(taskName(id))
      if (before !== undefined)
        restores.set(taskName(id), { ...before, isOver: true, left: nothingOf(before) })
      lines.done(id, records, elapsedMs)
    },
    ended: (id) => restores.delete(taskName(id)),
  }
}

function begun(lines: Lines, id: TaskId, progress: RestoreProgress): Restore {
  lines.started(id, progress)
  const { records, left, elapsedMs } = progress
  return { topology: id.topology, isOver: false, left, records, toldMs: elapsedMs }
}

const nothingOf = ({ left }: Restore): ReadonlyMap<string, number> =>
  new Map([...left.keys()].map((topic) => [topic, 0]))

const perSecond = (records: number, elapsedMs: number): number =>
  Math.round((records * 1000) / Math.max(1, elapsedMs))

const sumOf = (left: ReadonlyMap<string, number>): number =>
  [...left.values()].reduce((sum, one) => sum + one, 0)

type Lines = ReturnType<typeof restoreLines>

function restoreLines(logger: Logger) {
  return {
    started: (id: TaskId, { left }: RestoreProgress): void =>
      logger.info('stream.restore_started', { task: taskName(id), remaining: sumOf(left) }),
    going: (id: TaskId, { records, left, elapsedMs }: RestoreProgress): void =>
      logger.info('stream.restore_goes_on', {
        task: taskName(id),
        records,
        remaining: sumOf(left),
        durationMs: elapsedMs,
        perSecond: perSecond(records, elapsedMs),
      }),
    done: (id: TaskId, records: number, elapsedMs: number): void =>
      logger.info('stream.restored', {
        task: taskName(id),
        records,
        durationMs: elapsedMs,
        perSecond: perSecond(records, elapsedMs),
      }),
  }
}

function gaugeRemaining(metrics: Metrics, restores: ReadonlyMap<string, Restore>): void {
  const labels = ['topology', 'topic'] as const
  const gauge = metrics.gauge('stream_restore_remaining', 'Changelog records left to restore', labels, () => {
    gauge.reset()
    for (const { topology, left } of restores.values()) {
      for (const [topic, count] of left) gauge.inc({ topology, topic }, count)
    }
  })
}
