import { z } from 'zod'
import type { ArchiveDesk, ArchivePart } from '../../streams/tools/desks.ts'
import { applyLifecycle } from '../jobs/archive/lifecycle.ts'
import { s3Client, type S3Options } from '../jobs/archive/s3.ts'
import { closeJobPools } from '../jobs/pools.ts'
import type { JobPools } from '../jobs/schedule.ts'

const Row = z
  .object({
    table_name: z.string(),
    month: z.string(),
    part: z.number(),
    state: z.string(),
    rows: z.coerce.number().nullable(),
    object_key: z.string().nullable(),
    updated_at: z.date(),
  })
  .transform(
    (row): ArchivePart => ({
      table: row.table_name,
      month: row.month,
      part: row.part,
      state: row.state,
      rows: row.rows,
      object: row.object_key ?? '',
      at: row.updated_at.toISOString(),
    }),
  )

/** What `orch.archive_runs` says, and the rules of the buckets. */
export const archiveDesk = (pools: JobPools, options: S3Options | undefined): ArchiveDesk => ({
  async list(limit) {
    const { rows } = await pools.migrator.query(
      `SELECT table_name, to_char(month, 'YYYY-MM') AS month, part, state, rows, object_key, updated_at
       FROM orch.archive_runs r ORDER BY r.month DESC, table_name, part DESC LIMIT $1`,
      [limit],
    )
    return z.array(Row).parse(rows)
  },
  async applyLifecycle() {
    if (options === undefined) return undefined
    const client = s3Client(options)
    try {
      return await applyLifecycle(client, options.buckets)
    } finally {
      client.destroy()
    }
  },
  close: () => closeJobPools(pools),
})
