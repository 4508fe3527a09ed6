import { gunzipSync } from 'node:zlib'
import { parquetMetadataAsync, parquetRead, type AsyncBuffer } from 'hyparquet'
import type { ArchiveColumn, Cell } from './columns.ts'
import type { ObjectStore, Place } from './store.ts'

/**
 * What a file in S3 holds, a group of rows at a time, as the texts that Postgres printed. Read with
 * ranges, so that a file of any size needs the memory of one group.
 *
 * @returns undefined when there is no such object; the iteration throws for what is no file of
 * ours.
 */
export async function rowsIn(
  store: ObjectStore,
  place: Place,
  columns: readonly ArchiveColumn[],
): Promise<AsyncGenerator<readonly (readonly Cell[])[]> | undefined> {
  const byteLength = await store.sizeOf(place)
  if (byteLength === undefined) return undefined
  const slice = async (from: number, until = byteLength): Promise<ArrayBuffer> => {
    const bytes = new Uint8Array(until - from)
    bytes.set(await store.read(place, from, until))
    return bytes.buffer
  }
  return groupsOf({ byteLength, slice }, columns)
}

async function* groupsOf(file: AsyncBuffer, columns: readonly ArchiveColumn[]) {
  const metadata = await parquetMetadataAsync(file)
  const names = columns.map(({ name }) => name)
  let rowStart = 0
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows)
    let read: readonly (readonly unknown[])[] = []
    await parquetRead({
      file,
      metadata,
      columns: names,
      rowStart,
      rowEnd,
      compressors: { GZIP: (bytes) => gunzipSync(bytes) },
      parsers: { timestampFromMicroseconds: (micros) => micros, uuidFromBytes },
      onComplete: (rows) => void (read = rows),
    })
    yield read.map((row) => columns.map(({ toCell }, index) => toCell(row[index])))
    rowStart = rowEnd
  }
}

function uuidFromBytes(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
  const ends = [0, 8, 12, 16, 20, 32]
  return ends
    .slice(1)
    .map((end, index) => hex.slice(ends[index], end))
    .join('-')
}
