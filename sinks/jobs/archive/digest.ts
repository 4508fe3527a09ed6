import { createHash } from 'node:crypto'
import type { Cell } from './columns.ts'
import type { Contents } from './runs.ts'

/**
 * SHA-256 over the rows in their order, each as a line of JSON of the texts that Postgres prints.
 * It is taken where the rows leave Postgres, and again of what is read out of the file in S3: equal
 * digests say that the rows, and not only the bytes, came through.
 */
export function rowDigest() {
  const hash = createHash('sha256')
  let count = 0
  return {
    add(rows: readonly (readonly Cell[])[]): void {
      count += rows.length
      for (const row of rows) hash.update(`${JSON.stringify(row)}\n`)
    },
    end: (): Contents => ({ rows: count, sha256: hash.digest('hex') }),
  }
}
