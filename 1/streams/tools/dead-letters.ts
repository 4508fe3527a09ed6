import { TopicDeadLetter } from '../contracts/dead-letter.ts'
import { deadLetterTopicOf } from '../contracts/topic.ts'
import { partitionKey, type LogClient, type LogRecord, type OutRecord } from '../log/port.ts'
import { recordsOf } from './records.ts'

/**
 * The records that a topology could not read [SC21]. Payloads are personal data, so nothing here
 * prints.
 */
export interface FoundDeadLetter {
  /**
   * The record in the dead-letter topic: the key and headers of the unreadable one, with a
   * description as its value.
   */
  readonly record: LogRecord
  readonly letter: TopicDeadLetter
}

/**
 * All dead letters of these topics up to the end at this moment, partition by partition. A topic
 * that does not exist has none. Throws LogError. A dead letter that is none is a programmer error.
 */
export async function* deadLetters(
  log: LogClient,
  topics: readonly string[],
): AsyncGenerator<FoundDeadLetter> {
  for await (const record of recordsOf(log, topics)) yield { record, letter: letterOf(record) }
}

/**
 * A replay writes a dead letter again under the same id: the first one counts, its headers are the
 * original ones.
 */
export async function findDeadLetter(
  log: LogClient,
  topics: readonly string[],
  id: string,
): Promise<FoundDeadLetter | undefined> {
  for await (const found of deadLetters(log, topics)) if (found.letter.eventId === id) return found
  return undefined
}

/** Why a dead letter cannot go back; expected, so a value. */
export type Requeued =
  | { readonly ok: true; readonly partition: number; readonly offset: number }
  | { readonly ok: false; readonly refusal: string }

/**
 * Writes the original bytes with the original key and headers at the end of the partition that they
 * came from. It is a new record with the time of now: its old time might lie outside the retention.
 * Safe to repeat as every duplicate is: the topology knows the ids. Throws LogError.
 */
export async function requeue(log: LogClient, found: FoundDeadLetter, now: () => number): Promise<Requeued> {
  const refusal = refusalOf(found)
  if (refusal !== undefined) return { ok: false, refusal }
  const record = originalRecord(found, now())
  const { topic, partition } = record
  const partitions = (await log.admin.partitions([topic])).get(topic) ?? 0
  if (partition >= partitions) return { ok: false, refusal: `${topic} has no partition ${partition}` }
  const writer = log.writer()
  try {
    const next = (await writer.write([record])).get(partitionKey(record))
    if (next === undefined) throw new Error(`the writer does not say where in ${topic} the record lies`)
    return { ok: true, partition, offset: next - 1 }
  } finally {
    await writer.close()
  }
}

function refusalOf({ record, letter }: FoundDeadLetter): string | undefined {
  // The dead letters of the bridges name NATS streams, or topics whose other readers have read the
  // record already.
  if (record.topic !== deadLetterTopicOf(letter.sourceTopic))
    return `a dead letter of ${record.topic} did not come from a topology: only these go back`
  if (letter.truncated === true)
    return 'only a part of the record was kept: it was too large for a dead letter'
  if (letter.payloadBase64 === '') return 'the record had no value, so nothing could read it'
  return undefined
}

const originalRecord = ({ record, letter }: FoundDeadLetter, nowMs: number): OutRecord => ({
  topic: letter.sourceTopic,
  partition: letter.sourcePartition,
  key: record.key,
  value: originalBytes(letter),
  headers: record.headers,
  timestamp: nowMs,
})

export const originalBytes = (letter: TopicDeadLetter): Buffer => Buffer.from(letter.payloadBase64, 'base64')

/** Says where, never what: the value holds the payload. */
function letterOf(record: LogRecord): TopicDeadLetter {
  const where = `${record.topic}:${record.partition}:${record.offset}`
  const parsed = TopicDeadLetter.safeParse(jsonOf(record.value))
  if (!parsed.success) throw new Error(`the record at ${where} is no dead letter`)
  return parsed.data
}

function jsonOf(value: Buffer | null): unknown {
  try {
    const parsed: unknown = JSON.parse(value?.toString() ?? '')
    return parsed
  } catch {
    return undefined
  }
}
