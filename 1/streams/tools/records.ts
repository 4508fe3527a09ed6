import { partitionKey, type LogClient, type LogReader, type LogRecord } from '../log/port.ts'

/** One fetch; a dead letter may be a record of 1 MB, in base64. */
const FETCH_BYTES_MAX = 8 * 1024 * 1024
const FETCH_WAIT_MS = 500

/**
 * All records of these topics up to the end at this moment, partition by partition. A topic that
 * does not exist has none. Throws LogError.
 */
export async function* recordsOf(log: LogClient, topics: readonly string[]): AsyncGenerator<LogRecord> {
  const partitions = await log.admin.partitions(topics)
  const places = [...partitions].flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  )
  const bounds = await log.admin.bounds(places)
  const reader = log.reader()
  try {
    for (const at of places) {
      const { start, end } = bounds.get(partitionKey(at)) ?? { start: 0, end: 0 }
      yield* recordsBetween(reader, at, start, end)
    }
  } finally {
    await reader.close()
  }
}

async function* recordsBetween(
  reader: LogReader,
  at: { readonly topic: string; readonly partition: number },
  start: number,
  end: number,
): AsyncGenerator<LogRecord> {
  for (let next = start; next < end; ) {
    const fetched = await reader.read(at, next, { bytesMax: FETCH_BYTES_MAX, waitMs: FETCH_WAIT_MS })
    for (const record of fetched.records) if (record.offset < end) yield record
    next = fetched.next
  }
}
