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

/** Also when it was missed, however long ago: a job that has never succeeded is due at once. */
export const isDue = (schedule: Schedule, succeededMs: number | undefined, nowMs: number): boolean =>
  succeededMs === undefined || succeededMs < lastDueMs(schedule, nowMs)

/** One connection a role: a job can do what its role can do [DB50] to [DB57]. */
export interface JobPools {
  readonly migrator: Pool
  readonly relay: Pool
  readonly dlr: Pool
  readonly smpp: Pool
}

export interface Job {
  readonly name: string
  readonly schedule: Schedule
  /**
   * Idempotent; may be ended anywhere and run again. Gives the number of rows that it has changed.
   */
  readonly run: (pools: JobPools, nowMs: number) => Promise<number>
}
