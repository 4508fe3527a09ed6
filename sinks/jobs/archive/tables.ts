/** What is archived, when, and where to [DB61] to [DB63]. */
export interface ArchivedTable {
  /** With its schema. */
  readonly name: string
  /** So long after its end a month stays in Postgres. */
  readonly hotDays: number
  readonly bucket: 'archive' | 'orphans'
  /** What stands before `{yyyy}/{mm}/` in the bucket. */
  readonly prefix: string
  /** A month with a row in one of these statuses stays where it is [DB71]. */
  readonly inFlight: readonly string[]
}

const archived = (schema: string, table: string, inFlight: readonly string[] = []): ArchivedTable => ({
  name: `${schema}.${table}`,
  hotDays: 90,
  bucket: 'archive',
  prefix: `${schema}/${table}`,
  inFlight,
})

export const ARCHIVED: readonly ArchivedTable[] = [
  archived('orch', 'sms_messages', ['SCHEDULED', 'QUEUED', 'ROUTING', 'ROUTED']),
  archived('dlr', 'delivery_receipts'),
  archived('dlr', 'segment_dlrs'),
  archived('dlr', 'late_dlrs'),
  archived('dlr', 'quarantined_dlrs'),
  { name: 'dlr.orphan_dlrs', hotDays: 30, bucket: 'orphans', prefix: 'orphans', inFlight: [] },
]

const DAY_MS = 86_400_000

/** `month` is the first day, as in `2026-04-01`. */
export function isDue({ hotDays }: ArchivedTable, month: string, nowMs: number): boolean {
  const first = new Date(month)
  const end = Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 1)
  return end + hotDays * DAY_MS <= nowMs
}

/** As `sinks/postgres/partitions.ts` names it. */
export const partitionOf = ({ name }: ArchivedTable, month: string): string =>
  `${name}_${month.slice(0, 4)}${month.slice(5, 7)}`

/**
 * What a partition is called once it is detached. Its own name is free then, for rows of the month
 * that come late.
 */
export const detachedOf = (table: ArchivedTable, month: string, part: number): string =>
  `${partitionOf(table, month)}_part${part}`

/** `id` is new for each part: no object of another database, or of an older life, is ever met. */
export const keyOf = ({ prefix }: ArchivedTable, month: string, id: string): string =>
  `${prefix}/${month.slice(0, 4)}/${month.slice(5, 7)}/${id}.parquet`
