import { inSlices } from '../../../platform/slices.ts'
import type { OutRecord, TopicPartition } from '../../port.ts'
import { BATCH_HEADER_BYTES, measure } from '../codecs/record-batch-encoder.ts'
import type { RecordBatch } from '../codecs/record-batch-encoder.ts'

/** Records of one partition that travel, and are deduplicated, together. */
export interface PartitionBatch extends TopicPartition, RecordBatch {
  /** Room that the encoded batch needs at most. */
  readonly bytesMax: number
}

/** One request to each leader: a request may hold one batch a partition only. */
export type Round = readonly PartitionBatch[]

/**
 * The broker refuses batches over `max.message.bytes` (default 1 048 588), however small their
 * records are.
 */
export const BATCH_BYTES_MAX = 1_000_000

/**
 * A reader unpacks a batch at a time; kafkajs's own decoder, which tools may use, gives up at about
 * 125 000 records.
 */
export const BATCH_RECORDS_MAX = 50_000

/** A batch while it grows. */
interface Draft extends PartitionBatch {
  readonly records: OutRecord[]
  readonly lengths: number[]
  bytesMax: number
  firstTimestamp: number
  maxTimestamp: number
}

/**
 * Groups by partition, keeps each partition's order, and starts a further round where a batch is
 * full.
 */
export function planRounds(records: readonly OutRecord[]): readonly Round[] {
  const plan = new Plan()
  for (const record of records) plan.add(record)
  return plan.rounds
}

/** The same for many records, which are measured in slices. */
export const planInSlices = (records: readonly OutRecord[]): Promise<readonly Round[]> =>
  inSlices(planned(records))

function* planned(records: readonly OutRecord[]): Generator<number, readonly Round[]> {
  const plan = new Plan()
  for (const record of records) yield plan.add(record)
  return plan.rounds
}

class Plan {
  readonly rounds: Draft[][] = []
  /** The open batch of each partition and its round. */
  readonly #open = new Map<string, { draft: Draft; round: number }[]>()

  /** Answers how many bytes it takes at most. */
  add(record: OutRecord): number {
    const partitions = this.#partitionsOf(record.topic)
    const open = partitions[record.partition]
    const draft = open?.draft ?? this.#start(partitions, record, 0)
    const before = draft.lengths.length
    const bytes = measure(record, draft.lengths)
    if (fits(draft, bytes)) append(draft, record, bytes)
    else {
      const lengths = draft.lengths.splice(before)
      const next = this.#start(partitions, record, (open?.round ?? 0) + 1)
      next.lengths.push(...lengths)
      append(next, record, bytes)
    }
    return bytes
  }

  #partitionsOf(topic: string): { draft: Draft; round: number }[] {
    let partitions = this.#open.get(topic)
    if (partitions === undefined) {
      partitions = []
      this.#open.set(topic, partitions)
    }
    return partitions
  }

  #start(partitions: { draft: Draft; round: number }[], first: OutRecord, round: number): Draft {
    const { topic, partition, timestamp } = first
    const draft: Draft = {
      topic,
      partition,
      records: [],
      lengths: [],
      bytesMax: BATCH_HEADER_BYTES,
      firstTimestamp: timestamp,
      maxTimestamp: timestamp,
    }
    partitions[partition] = { draft, round }
    const batches = this.rounds[round] ?? []
    batches.push(draft)
    this.rounds[round] = batches
    return draft
  }
}

/**
 * A record that is too large by itself still gets a batch, so that the broker's refusal names the
 * reason.
 */
const fits = (draft: Draft, bytes: number): boolean =>
  draft.records.length === 0 ||
  (draft.bytesMax + bytes <= BATCH_BYTES_MAX && draft.records.length < BATCH_RECORDS_MAX)

function append(draft: Draft, record: OutRecord, bytes: number): void {
  draft.records.push(record)
  draft.bytesMax += bytes
  if (record.timestamp < draft.firstTimestamp) draft.firstTimestamp = record.timestamp
  if (record.timestamp > draft.maxTimestamp) draft.maxTimestamp = record.timestamp
}
