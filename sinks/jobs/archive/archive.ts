import type { Pool } from 'pg'
import { DatabaseError } from 'pg'
import type { Logger } from '../../../streams/platform/logger.ts'
import type { Metrics } from '../../../streams/platform/metrics.ts'
import { dailyAt, type Job } from '../schedule.ts'
import { UnreadableCell } from './columns.ts'
import { detach } from './detach.ts'
import { drop } from './drop.ts'
import { exportRows } from './export.ts'
import { dropRepeats } from './repeats.ts'
import { openRuns, Overtaken, plan, type ArchiveRun } from './runs.ts'
import { StoreFailed, type ObjectStore } from './store.ts'
import { ARCHIVED } from './tables.ts'
import { ArchiveMismatch, verify } from './verify.ts'

export interface ArchiveMeans {
  readonly store: ObjectStore
  readonly logger: Logger
  readonly metrics: ArchiveMetrics
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly newId: () => string
}

export type ArchiveMetrics = ReturnType<typeof archiveMetrics>

/** Every table has its series from the start on: an alert counts from there. */
export function archiveMetrics(metrics: Metrics) {
  const label = ['table'] as const
  const rows = metrics.counter('archive_rows_total', 'Rows that have gone from Postgres to S3', label)
  const mismatches = metrics.counter('archive_mismatches_total', 'Files unlike their table', label)
  const kept = metrics.gauge('archive_kept_months', 'Months that are due and have rows in flight', label)
  for (const { name: table } of ARCHIVED) {
    rows.inc({ table }, 0)
    mismatches.inc({ table }, 0)
    kept.set({ table }, 0)
  }
  return { rows, mismatches, kept }
}

/**
 * [DB71]. What a former run has left comes first, from the step where it was left; every step may
 * be ended anywhere and is done again. The row of the job is its lock; should its connection break,
 * and a second process begin, each step still happens once (`advance`).
 */
export const archive = (means: ArchiveMeans): Job => ({
  name: 'archive',
  schedule: dailyAt(1, 0),
  isLong: true,
  run: async ({ migrator }, { nowMs }) => {
    await means.store.check()
    await plan(migrator, { nowMs, newId: means.newId, buckets: means.store.buckets })
    for (const { name: table } of ARCHIVED) means.metrics.kept.set({ table }, 0)
    let rows = 0
    let failures = 0
    for (const run of await openRuns(migrator)) {
      const end = await attempt(migrator, means, run)
      rows += end.rows
      failures += end.isFailed ? 1 : 0
    }
    if (failures > 0) throw new Error(`${failures} parts of the archive failed`)
    return rows
  },
})

/** One part that fails stops none of the others, unless it is S3 that is away. */
async function attempt(migrator: Pool, means: ArchiveMeans, run: ArchiveRun) {
  const { table, month: day } = run
  try {
    return { rows: await through(migrator, means, run), isFailed: false }
  } catch (error) {
    const reason = reasonOf(error)
    if (error instanceof ArchiveMismatch) means.metrics.mismatches.inc({ table: table.name })
    means.logger.error('archive.failed', { operation: table.name, day, stage: run.state, reason })
    if (error instanceof StoreFailed) throw error
    return { rows: 0, isFailed: true }
  }
}

/** From where it is to the end. Gives the rows that have left Postgres. */
async function through(migrator: Pool, means: ArchiveMeans, begun: ArchiveRun): Promise<number> {
  const { store, now } = means
  let run = begun
  if (run.state === 'PLANNED') {
    const end = await detach(migrator, run, means)
    if (end.kind === 'kept') return keep(means, run, end.rows)
    if (end.kind === 'empty') return 0
    run = { ...run, state: 'DETACHED' }
  }
  if (run.state === 'DETACHED') {
    if (run.part > 1) await dropRepeats(migrator, store, run)
    run = { ...run, state: 'EXPORTED', contents: await exportRows(migrator, store, run, now) }
  }
  if (run.state === 'EXPORTED') {
    await verify(migrator, store, run, now)
    run = { ...run, state: 'VERIFIED' }
  }
  await drop(migrator, run, now)
  const rows = run.contents?.rows ?? 0
  means.metrics.rows.inc({ table: run.table.name }, rows)
  means.logger.info('archive.done', { operation: run.table.name, day: run.month, records: rows })
  return rows
}

function keep({ logger, metrics }: ArchiveMeans, { table, month: day }: ArchiveRun, waiting: number): 0 {
  metrics.kept.inc({ table: table.name })
  logger.warn('archive.kept', { operation: table.name, day, records: waiting })
  return 0
}

/** What may be told of a failure: our own words, or a code. The text of another may quote a row. */
function reasonOf(error: unknown): string {
  if (error instanceof DatabaseError) return `SQLSTATE ${error.code ?? 'unknown'}`
  const isOurs = [StoreFailed, ArchiveMismatch, UnreadableCell, Overtaken].some(
    (kind) => error instanceof kind,
  )
  if (error instanceof Error) return isOurs ? `${error.name}: ${error.message}` : error.name
  return 'unknown'
}
