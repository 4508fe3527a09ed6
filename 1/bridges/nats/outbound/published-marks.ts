import { decode, encode } from '../../../streams/contracts/decode.ts'
import { bridgeMarks, type BridgeMark } from '../../../streams/contracts/operators.ts'
import { SCHEMA_VERSION } from '../../../streams/contracts/topic.ts'
import { eventIdOf } from '../../../streams/domain/event-id.ts'
import {
  LogError,
  partitionKey,
  type Bounds,
  type LogClient,
  type LogReader,
  type LogRecord,
  type OutRecord,
  type TopicPartition,
  type Written,
} from '../../../streams/log/port.ts'

/**
 * How far NATS has acknowledged a partition of commands: what lies at or below it is published,
 * however long ago and wherever the cursor stands [P7]. Of a durable of NATS: up to which stream
 * sequence everything is acknowledged.
 *
 * `timeMs` is the latest record time up to it. Together with the id of the topic it tells a replay
 * from new records that got old offsets: of a topic made again, or one that lost its end.
 */
export interface Mark {
  readonly acknowledged: number
  readonly timeMs: number
  readonly topicId?: string | undefined
  /** By operator, the stream sequence of its last command up to it; undefined: not known. */
  readonly sequences?: Readonly<Record<string, number>> | undefined
}

/** Whose mark it is: a group and a partition, or a durable and its stream. */
export interface Marked extends TopicPartition {
  readonly group: string
}

export const MARKS_AT: TopicPartition = { topic: bridgeMarks.name, partition: 0 }
const READ = { bytesMax: 1_048_576, waitMs: 250 }
/** Longer than any transaction of a bridge may hold readers back. */
const QUIET_READS_MAX = 80

export const NO_MARK: Mark = { acknowledged: -1, timeMs: 0 }

/** Whether both count in the same topic; one whose id is not told is taken for the same. */
export const isOfSameTopic = (mark: Mark, topicId: string | undefined): boolean =>
  mark.topicId === undefined || topicId === undefined || mark.topicId === topicId

export const covers = (mark: Mark, { offset, timestamp }: LogRecord): boolean =>
  offset <= mark.acknowledged && timestamp <= mark.timeMs

/**
 * The mark after these records. A replay does not move it. Records below it that are newer are not
 * a replay: the log has lost what it counted, and it starts over.
 */
export function advanced(mark: Mark, records: readonly LogRecord[]): Mark {
  const acknowledged = records.at(-1)?.offset
  if (acknowledged === undefined) return mark
  const timeMs = records.reduce((latest, { timestamp }) => Math.max(latest, timestamp), 0)
  if (acknowledged > mark.acknowledged)
    return { ...mark, acknowledged, timeMs: Math.max(timeMs, mark.timeMs) }
  return timeMs > mark.timeMs ? { ...mark, acknowledged, timeMs } : mark
}

const keyOf = ({ group, topic, partition }: Marked): string => `${group}:${topic}:${partition}`

export function markRecord(of: Marked, mark: Mark): OutRecord {
  const { acknowledged, timeMs, topicId, sequences } = mark
  const { group, topic, partition } = of
  const value: BridgeMark = {
    schemaVersion: SCHEMA_VERSION,
    eventId: eventIdOf(`mark|${keyOf(of)}|${acknowledged}`),
    occurredAt: new Date(timeMs).toISOString(),
    group,
    topic,
    partition,
    acknowledged,
    ...(topicId !== undefined && { topicId }),
    ...(sequences !== undefined && { sequences }),
  }
  return { ...MARKS_AT, key: keyOf(of), value: encode(value), timestamp: timeMs }
}

/** Says nothing but that it was written: whoever sees it sees all that was there before. */
export const claimRecord = (of: Marked, timestamp: number): OutRecord => ({
  ...MARKS_AT,
  key: `${keyOf(of)}:claim`,
  value: null,
  timestamp,
})

/**
 * The marks on the compacted topic `bridge.marks` [EV24]. It is shared by all partitions, so the
 * open transaction of one can hide the mark of another from readers. That is why a reader says how
 * far it must have seen.
 */
export class PublishedMarks {
  readonly #log: LogClient
  readonly #reader: LogReader
  readonly #marks = new Map<string, Mark>()
  /** Beyond any end until the first look. */
  #next = Number.POSITIVE_INFINITY
  #topicId: string | undefined
  #reading: Promise<unknown> = Promise.resolve()

  constructor(log: LogClient) {
    this.#log = log
    this.#reader = log.reader()
  }

  /**
   * The mark as of a write to `bridge.marks`, or as of now: everything that was written before is
   * seen. Rejects with `retriable` while the log does not show it.
   */
  of(marked: Marked, seen?: Written): Promise<Mark | undefined> {
    const read = async (): Promise<Mark | undefined> => {
      await this.#readTo(seen?.get(partitionKey(MARKS_AT)))
      return this.#marks.get(keyOf(marked))
    }
    const reading = this.#reading.then(read, read)
    this.#reading = reading
    return reading
  }

  close(): Promise<void> {
    return this.#reader.close()
  }

  async #readTo(wanted: number | undefined): Promise<void> {
    const bounds = await this.#bounds()
    const upTo = wanted ?? bounds.end
    if (bounds.topicId !== this.#topicId || this.#next > bounds.end) this.#forget(bounds)
    for (let quiet = 0; this.#next < upTo; ) {
      if (quiet > QUIET_READS_MAX) throw new LogError('retriable', 'the marks of the bridges are held back')
      const read = await this.#reader.read(MARKS_AT, this.#next, READ)
      for (const record of read.records) this.#learn(record)
      quiet = read.next > this.#next ? 0 : quiet + 1
      this.#next = read.next
    }
  }

  /** It is another topic than last time, or one that was cut back. */
  #forget({ start, topicId }: Bounds): void {
    this.#marks.clear()
    this.#topicId = topicId
    this.#next = start
  }

  async #bounds(): Promise<Bounds> {
    const found = await this.#log.admin.bounds([MARKS_AT])
    return found.get(partitionKey(MARKS_AT)) ?? { start: 0, end: 0 }
  }

  #learn(record: LogRecord): void {
    const decoded = decode(bridgeMarks, record.value)
    if (!decoded.ok) return
    const { acknowledged, occurredAt, topicId, sequences } = decoded.value
    const key = keyOf(decoded.value)
    const read: Mark = { acknowledged, timeMs: Date.parse(occurredAt), topicId, sequences }
    if (isLater(read, this.#marks.get(key))) this.#marks.set(key, read)
  }
}

/** Of one topic the mark only rises, whatever a bridge of an older version still writes. */
const isLater = (read: Mark, known: Mark | undefined): boolean =>
  known === undefined ||
  !isOfSameTopic(read, known.topicId) ||
  read.timeMs > known.timeMs ||
  (read.timeMs === known.timeMs && read.acknowledged >= known.acknowledged)
