import type { Pool } from 'pg'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** At `afterMs` behind the full hour, day and so on, in UTC. */
export interface Schedule {
  readonly everyMs: number
  readonly afterMs: number
}

export const dailyAt = (hour: number, minute: number): Schedule => ({
  everyMs: DAY_MS,
  afterMs: hour * HOUR_MS + minute * MINUTE_MS,
})
export const hourly: Schedule = { everyMs: HOUR_MS, afterMs: 0 }
export const everyQuarter: Schedule = { everyMs: 15 * MINUTE_MS, afterMs: 0 }

/** The last instant at which it should have run. */
export const lastDueMs = ({ everyMs, afterMs }: Schedule, nowMs: number): number =>
  Math.floor((nowMs - afterMs) / everyMs) * everyMs + afterMs

/** So far may the clocks of two processes be apart. */
const SKEW_MS_MAX = 5 * MINUTE_MS

/**
 * Also when it was missed, however long ago: a job that has never succeeded is due at once. So is
 * one that succeeded in the future: a clock has been put right, and until then it would not run.
 */
export const isDue = (schedule: Schedule, succeededMs: number | undefined, nowMs: number): boolean =>
  succeededMs === undefined || succeededMs < lastDueMs(schedule, nowMs) || succeededMs > nowMs + SKEW_MS_MAX

/** One connection a role: a job can do what its role can do [DB50] to [DB57]. */
export type JobPools = Readonly<Record<'migrator' | 'relay' | 'dlr' | 'smpp', Pool>>

/** What a run of a job may know and say. */
export interface JobRun {
  readonly nowMs: number
  /** When the job last succeeded; undefined: never. */
  readonly lastMs: number | undefined
  /** A row that the job cannot take is told and counted, and stays where it is. */
  readonly refused: (messageId: string, paths: readonly string[]) => void
}

export interface Job {
  readonly name: string
  /**
   * May take hours: it has a loop of its own, so that the others keep their times, and after a
   * failure it waits for its next time.
   */
  readonly isLong?: boolean
  readonly schedule: Schedule
  /**
   * Idempotent; may be ended anywhere and run again. Gives the number of rows that it has changed.
   */
  readonly run: (pools: JobPools, run: JobRun) => Promise<number>
}
