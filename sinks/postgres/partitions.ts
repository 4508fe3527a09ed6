import type { ClientBase } from 'pg'

export interface PartitionOptions {
  /** One connection of migrator, of a member of it, or of a superuser. */
  readonly client: ClientBase
  readonly now: () => number
  readonly monthsAhead: number
  /**
   * Records may be older than the process: an outage over the turn of a month must still find its
   * partition.
   */
  readonly monthsBack: number
}

interface PartitionedTable {
  readonly schema: string
  readonly table: string
  readonly secured: boolean
}

interface Month {
  /** yyyymm */
  readonly suffix: string
  /** First day, ISO date. */
  readonly from: string
  /** First day of the month after. */
  readonly until: string
}

/**
 * Attaching waits for running transactions on the table, and new ones queue behind it, so it must
 * give up soon.
 */
const LOCK_TIMEOUT = '5s'

/**
 * Creates the missing monthly partitions of every partitioned table and returns their names. A
 * migration calls it, and a daily job [DB70]. There is no DEFAULT partition: attaching would have
 * to scan it, and rows in it could not be archived by month. No role gets a grant on a partition
 * [DB44]. A partition of a secured table is secured itself, because the policies of the parent do
 * not apply to a statement that names the partition directly.
 */
export async function ensurePartitions(options: PartitionOptions): Promise<readonly string[]> {
  const { client } = options
  const months = monthsAround(options.now(), options.monthsBack, options.monthsAhead)
  const created: string[] = []
  for (const table of await partitionedTables(client)) {
    for (const month of months) {
      if (await ensurePartition(client, table, month)) created.push(partitionName(table, month))
    }
  }
  return created
}

/**
 * For the gauge `partitions_months_ahead` [M42]: by table, how many
 * months after the current one have their partition.
 */
export async function partitionMonthsAhead(
  client: ClientBase,
  nowMs: number,
  monthsMax = 12,
): Promise<ReadonlyMap<string, number>> {
  const ahead = monthsAround(nowMs, 0, monthsMax).slice(1)
  const counts = new Map<string, number>()
  for (const table of await partitionedTables(client)) {
    const attached = await attachedPartitions(client, table)
    const gap = ahead.findIndex((month) => !attached.has(`${table.table}_${month.suffix}`))
    counts.set(`${table.schema}.${table.table}`, gap === -1 ? monthsMax : gap)
  }
  return counts
}

async function attachedPartitions(
  client: ClientBase,
  { schema, table }: PartitionedTable,
): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = format('%I.%I', $1::text, $2::text)::regclass AND NOT i.inhdetachpending`,
    [schema, table],
  )
  return new Set(rows.map(({ name }) => name))
}

async function partitionedTables(client: ClientBase): Promise<readonly PartitionedTable[]> {
  const { rows } = await client.query<PartitionedTable>(
    `SELECT n.nspname AS schema, c.relname AS table, c.relrowsecurity AS secured
     FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('orch', 'dlr') ORDER BY 1, 2`,
  )
  return rows
}

/** UTC, whatever the time zone of the process or of the database. */
export function monthsAround(nowMs: number, monthsBack: number, monthsAhead: number): readonly Month[] {
  const now = new Date(nowMs)
  const first = (step: number) =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + step, 1)).toISOString().slice(0, 10)
  return Array.from({ length: monthsBack + monthsAhead + 1 }, (_, index) => {
    const from = first(index - monthsBack)
    return { suffix: from.slice(0, 7).replace('-', ''), from, until: first(index - monthsBack + 1) }
  })
}

const partitionName = ({ schema, table }: PartitionedTable, { suffix }: Month): string =>
  `${schema}.${table}_${suffix}`

/**
 * False when there is nothing to do. One transaction a partition, so that a lock held elsewhere
 * delays only one.
 */
async function ensurePartition(client: ClientBase, table: PartitionedTable, month: Month): Promise<boolean> {
  await client.query('BEGIN')
  try {
    await client.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`)
    await client.query('SET LOCAL ROLE migrator')
    // One at a time. An advisory lock could be held by any role; this table is migrator's alone.
    await client.query('LOCK TABLE orch.archive_runs IN SHARE ROW EXCLUSIVE MODE')
    const missing = await isMissing(client, table, month)
    if (missing) for (const statement of statementsFor(table, month)) await client.query(statement)
    await client.query('COMMIT')
    return missing
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}

/**
 * A month that the archive has taken is not made again for nothing: a record that needs one has it
 * made (`orch.ensure_month`).
 */
async function isMissing(client: ClientBase, table: PartitionedTable, month: Month): Promise<boolean> {
  const { rows } = await client.query<{ missing: boolean }>(
    `SELECT to_regclass($1) IS NULL
       AND NOT EXISTS (SELECT FROM orch.archive_runs WHERE table_name = $2 AND month = $3::date) AS missing`,
    [partitionName(table, month), `${table.schema}.${table.table}`, month.from],
  )
  return rows[0]?.missing === true
}

/** Names come from the catalogue of this database and from the calendar, never from input. */
function statementsFor(table: PartitionedTable, month: Month): readonly string[] {
  const parent = `${table.schema}.${table.table}`
  const partition = partitionName(table, month)
  const secured = [
    `ALTER TABLE ${partition} ENABLE ROW LEVEL SECURITY`,
    `ALTER TABLE ${partition} FORCE ROW LEVEL SECURITY`,
    `CREATE POLICY owner_all ON ${partition} TO migrator USING (true) WITH CHECK (true)`,
  ]
  return [
    `CREATE TABLE ${partition} (LIKE ${parent} INCLUDING ALL)`,
    ...(table.secured ? secured : []),
    `ALTER TABLE ${parent} ATTACH PARTITION ${partition}
       FOR VALUES FROM ('${month.from} 00:00:00+00') TO ('${month.until} 00:00:00+00')`,
  ]
}
