import type { LogClient, LogRecord, TopicPartition } from '../streams/log/port.ts'

const READ = { bytesMax: 8 * 1024 * 1024, waitMs: 20 }

/**
 * What is committed in one partition from an offset on, up to the end that it has when it is
 * reached.
 */
export async function* committedRecords(
  log: LogClient,
  at: TopicPartition,
  from = 0,
): AsyncGenerator<LogRecord> {
  const reader = log.reader()
  try {
    for (let next = from; ; ) {
      const read = await reader.read(at, next, READ)
      yield* read.records
      next = Math.max(next, read.next)
      if (next >= read.end) return
    }
  } finally {
    await reader.close()
  }
}

/** Committed records from an offset on; what else lies there are markers of transactions. */
export async function recordsFrom(log: LogClient, at: TopicPartition, from: number): Promise<number> {
  let records = 0
  for await (const record of committedRecords(log, at, from)) if (record.offset >= from) records += 1
  return records
}
