import { partitionKey } from '../../port.ts'
import type {
  Cursor,
  LogClient,
  LogConsumer,
  LogError,
  LogRecord,
  OutRecord,
  TopicPartition,
} from '../../port.ts'

export const TOPIC = 'words'
export const FIRST: TopicPartition = { topic: TOPIC, partition: 0 }
export const SECOND: TopicPartition = { topic: TOPIC, partition: 1 }

/** A topic of two partitions, made at once. */
export async function withTopic<L extends LogClient>(
  log: L,
  config: Readonly<Record<string, string>> = {},
): Promise<L> {
  await log.admin.ensureTopics([{ name: TOPIC, partitions: 2, replicas: 1, config }])
  return log
}

export function word(
  value: string | null,
  at: TopicPartition = FIRST,
  key: string | null = 'key',
): OutRecord {
  return { ...at, key, value, timestamp: 1 }
}

export function words(records: readonly LogRecord[]): string[] {
  return records.map((record) => record.value?.toString() ?? 'null')
}

export function batch(value: string, next: number, group = 'group') {
  const cursors = (): readonly Cursor[] => [{ ...FIRST, next, metadata: value }]
  return { records: [word(value)], moves: [{ group, cursors }] }
}

export async function readAll(log: LogClient, offset = 0, at: TopicPartition = FIRST): Promise<LogRecord[]> {
  const fetched = await log.reader().read(at, offset, { bytesMax: 1_000_000, waitMs: 0 })
  return [...fetched.records]
}

/** What a member has been told. */
export interface Notes {
  readonly consumer: LogConsumer
  readonly held: string[][]
  readonly deliveries: string[][]
  readonly failures: LogError[]
  /** Why a partition was not read on. */
  readonly stops: LogError[]
}

/** A member of `group` that starts every new partition at the same offset. */
export async function join(client: LogClient, from = 0): Promise<Notes> {
  const held: string[][] = []
  const deliveries: string[][] = []
  const failures: LogError[] = []
  const stops: LogError[] = []
  const consumer = client.consumer({
    group: 'group',
    topics: [TOPIC],
    onAssigned: (partitions) => {
      const before = held.at(-1) ?? []
      held.push(partitions.map(partitionKey))
      for (const at of partitions) if (!before.includes(partitionKey(at))) consumer.seek(at, from)
      consumer.resume(partitions)
    },
    onRecords: (_, records) => deliveries.push(words(records)),
    onStopped: (_, error) => stops.push(error),
    onFailed: (error) => failures.push(error),
  })
  await consumer.start()
  return { consumer, held, deliveries, failures, stops }
}

/** Lets everything that waits for a turn in the default scheduler have it. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Repeatable random numbers from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
