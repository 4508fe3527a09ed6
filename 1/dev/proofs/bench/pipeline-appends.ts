import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { decodeRecords } from '../../../streams/log/kafka/codecs/record-batch-decoder.ts'
import { BATCH_HEADER_BYTES } from '../../../streams/log/kafka/codecs/record-batch-encoder.ts'
import type { LogRecord } from '../../../streams/log/port.ts'

/**
 * What a broker has appended between two instants, read from its own segment files: they are a
 * sequence of record batches, and one append to a partition is one batch. Nothing is asked of the
 * broker, so counting costs it nothing.
 */
export interface TopicAppends {
  /** Batches of records. */
  readonly batches: number
  /** Control batches: the ends of transactions. */
  readonly markers: number
  readonly records: number
  readonly bytes: number
}

export interface Appends {
  readonly byTopic: ReadonlyMap<string, TopicAppends>
  /** Committed ones, by transactional id, from the log that the coordinator keeps of them. */
  readonly transactions: ReadonlyMap<string, number>
  /** Cursors that were moved, by group, in a transaction or alone. */
  readonly cursors: ReadonlyMap<string, number>
}

/** Bytes of every segment file, by path. */
export type LogSizes = ReadonlyMap<string, number>

/** KRaft's own log is no topic that anybody reads or writes. */
const CONTROLLER_LOG = '__cluster_metadata'
const TRANSACTION_LOG = '__transaction_state'
const CURSOR_LOG = '__consumer_offsets'
const PARTITION_FOLDER = /^(?<topic>.+)-\d+$/

/** Throws when a folder is not on this machine: nothing found would read as nothing appended. */
export function logSizes(folders: readonly string[]): LogSizes {
  const sizes = new Map<string, number>()
  for (const partition of folders.flatMap(partitionsIn)) {
    for (const name of readdirSync(partition).filter((file) => file.endsWith('.log'))) {
      const file = join(partition, name)
      sizes.set(file, statSync(file).size)
    }
  }
  return sizes
}

function partitionsIn(folder: string): readonly string[] {
  if (!existsSync(folder)) throw new Error(`the log of the broker, ${folder}, is not on this machine`)
  return readdirSync(folder)
    .filter((name) => topicOf(name) !== undefined)
    .map((name) => join(folder, name))
}

function topicOf(partitionFolder: string): string | undefined {
  const topic = PARTITION_FOLDER.exec(partitionFolder)?.groups?.['topic']
  return topic === CONTROLLER_LOG ? undefined : topic
}

export function appendsBetween(before: LogSizes, after: LogSizes): Appends {
  const byTopic = new Map<string, TopicAppends>()
  const [transactions, cursors] = [new Map<string, number>(), new Map<string, number>()]
  for (const [file, size] of after) {
    const batches = batchesBetween(readFileSync(file), before.get(file) ?? 0, size)
    const topic = topicOf(basename(dirname(file)))
    if (topic === undefined || batches.length === 0) continue
    byTopic.set(topic, sum(byTopic.get(topic), batches))
    if (topic === TRANSACTION_LOG) count(batches, committedId, transactions)
    if (topic === CURSOR_LOG) count(batches, movedGroup, cursors)
  }
  return { byTopic, transactions, cursors }
}

/** A batch belongs to the interval in which its last byte was written. */
function batchesBetween(log: Buffer, from: number, to: number): readonly Buffer[] {
  const batches: Buffer[] = []
  for (let start = 0; start + BATCH_HEADER_BYTES <= to; ) {
    const end = start + PREFIX_BYTES + log.readInt32BE(start + 8)
    if (end > to) break
    if (end > from) batches.push(log.subarray(start, end))
    start = end
  }
  return batches
}

/** Before a batch's length ends and what it counts begins. */
const PREFIX_BYTES = 12
const ATTRIBUTES_AT = 21
const COUNT_AT = 57
const CONTROL = 0x20

const isMarker = (batch: Buffer): boolean => (batch.readInt16BE(ATTRIBUTES_AT) & CONTROL) !== 0

function sum(before: TopicAppends | undefined, batches: readonly Buffer[]): TopicAppends {
  const markers = batches.filter(isMarker).length
  const data = batches.filter((batch) => !isMarker(batch))
  return {
    batches: (before?.batches ?? 0) + data.length,
    markers: (before?.markers ?? 0) + markers,
    records: (before?.records ?? 0) + data.reduce((total, batch) => total + batch.readInt32BE(COUNT_AT), 0),
    bytes: (before?.bytes ?? 0) + batches.reduce((total, batch) => total + batch.length, 0),
  }
}

type Fields = Pick<LogRecord, 'key' | 'value'>

/** Records by the name that each has, if it has one. */
function count(
  batches: readonly Buffer[],
  nameOf: (record: Fields) => string | undefined,
  into: Map<string, number>,
): void {
  const { records } = decodeRecords({ topic: '', partition: 0 }, Buffer.concat(batches), 0, [])
  for (const record of records) {
    const name = nameOf(record)
    if (name !== undefined) into.set(name, (into.get(name) ?? 0) + 1)
  }
}

/** Kafka's TransactionLogValue: version, producer id, epoch and timeout come before the state. */
const STATE_AT = 16
const COMPLETE_COMMIT = 4

/** The id of a transaction that has been committed. */
const committedId = ({ key, value }: Fields): string | undefined =>
  value?.[STATE_AT] === COMPLETE_COMMIT ? nameIn(key) : undefined

/** Kafka's OffsetCommitKey in its versions; the other keys are those of members. */
const CURSOR_KEY_VERSION_MAX = 1

const movedGroup = ({ key }: Fields): string | undefined =>
  key !== null && key.readInt16BE(0) <= CURSOR_KEY_VERSION_MAX ? nameIn(key) : undefined

/** The keys of both logs begin with a version and a name with its length. */
const nameIn = (key: Buffer | null): string | undefined =>
  key === null ? undefined : key.subarray(NAME_AT, NAME_AT + key.readInt16BE(2)).toString('utf8')
const NAME_AT = 4
