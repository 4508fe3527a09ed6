import { decode, encode } from '../../../streams/contracts/decode.ts'
import { bridgeMarks, type BridgeMark } from '../../../streams/contracts/operators.ts'
import { SCHEMA_VERSION } from '../../../streams/contracts/topic.ts'
import { eventIdOf } from '../../../streams/domain/event-id.ts'
import {
  partitionKey,
  type LogClient,
  type LogReader,
  type LogRecord,
  type LogWriter,
  type OutRecord,
  type TopicPartition,
} from '../../../streams/log/port.ts'

/**
 * How far NATS has acknowledged each partition, on the compacted topic `bridge.marks` [P7], [EV24].
 * A reset of the group's cursors does not move it, so what lies below is known to be published,
 * however long ago.
 *
 * A mark is the highest offset and the latest record time up to it (ADR 0018). The time tells a
 * replay from a topic that was deleted and made again, whose offsets start over: its records are
 * newer than the mark, and must be published.
 */
interface Mark extends TopicPartition {
  readonly acknowledged: number
  readonly timeMs: number
}

const AT: TopicPartition = { topic: bridgeMarks.name, partition: 0 }
const READ = { bytesMax: 1_048_576, waitMs: 0 }

export class PublishedMarks {
  readonly #log: LogClient
  readonly #group: string
  readonly #reader: LogReader
  readonly #writer: LogWriter
  readonly #marks = new Map<string, Mark>()
  /** Marks that are not durable yet. Bounded like the marks by the partitions. */
  readonly #dirty = new Map<string, Mark>()
  #next: number | undefined
  #reading: Promise<void> = Promise.resolve()
  #writing: Promise<void> | undefined

  constructor(log: LogClient, group: string, writer: LogWriter) {
    this.#log = log
    this.#group = group
    this.#reader = log.reader()
    this.#writer = writer
  }

  /** NATS has acknowledged this record before. */
  covers(record: LogRecord): boolean {
    const mark = this.#marks.get(partitionKey(record))
    return mark !== undefined && record.offset <= mark.acknowledged && record.timestamp <= mark.timeMs
  }

  /**
   * Learns what any member of the group has written up to now. One call after the other: each sees
   * what was there when it was made.
   */
  refresh(): Promise<void> {
    const read = () => this.#readToEnd()
    this.#reading = this.#reading.then(read, read)
    return this.#reading
  }

  /**
   * Everything up to `acknowledged` is published. `timeMs` is the latest time of those records.
   * Resolves when the mark is durable.
   */
  async advance(at: TopicPartition, acknowledged: number, timeMs: number): Promise<void> {
    const key = partitionKey(at)
    const { topic, partition } = at
    const mark = advanced(this.#marks.get(key), { topic, partition, acknowledged, timeMs })
    if (mark !== undefined) {
      this.#marks.set(key, mark)
      this.#dirty.set(key, mark)
    }
    // Marks of other partitions that came in the meantime go with the next write: one write at a
    // time, for all of them.
    while (this.#dirty.has(key)) {
      this.#writing ??= this.#writeDirty().finally(() => {
        this.#writing = undefined
      })
      await this.#writing
    }
  }

  close(): Promise<void> {
    return this.#reader.close()
  }

  async #readToEnd(): Promise<void> {
    this.#next ??= await this.#start()
    for (;;) {
      const { records, next, end } = await this.#reader.read(AT, this.#next, READ)
      for (const record of records) this.#learn(record)
      this.#next = next
      if (next >= end) return
    }
  }

  async #start(): Promise<number> {
    const bounds = await this.#log.admin.bounds([AT])
    return bounds.get(partitionKey(AT))?.start ?? 0
  }

  #learn(record: LogRecord): void {
    const decoded = decode(bridgeMarks, record.value)
    if (!decoded.ok || decoded.value.group !== this.#group) return
    const { topic, partition, acknowledged, occurredAt } = decoded.value
    const read = { topic, partition, acknowledged, timeMs: Date.parse(occurredAt) }
    const key = partitionKey(read)
    if (isLater(read, this.#marks.get(key))) this.#marks.set(key, read)
  }

  async #writeDirty(): Promise<void> {
    const marks = [...this.#dirty]
    await this.#writer.write(marks.map(([, mark]) => this.#record(mark)))
    for (const [key, mark] of marks) if (this.#dirty.get(key) === mark) this.#dirty.delete(key)
  }

  #record(mark: Mark): OutRecord {
    const { topic, partition, acknowledged, timeMs } = mark
    const group = this.#group
    const value: BridgeMark = {
      schemaVersion: SCHEMA_VERSION,
      eventId: eventIdOf(`mark|${group}|${topic}|${partition}|${acknowledged}`),
      occurredAt: new Date(timeMs).toISOString(),
      group,
      topic,
      partition,
      acknowledged,
    }
    return { ...AT, key: bridgeMarks.key(value), value: encode(value), timestamp: timeMs }
  }
}

/** Undefined when the records lie below the mark and are no newer: a replay. */
function advanced(current: Mark | undefined, to: Mark): Mark | undefined {
  if (current === undefined) return to
  if (to.acknowledged > current.acknowledged) {
    return { ...to, timeMs: Math.max(to.timeMs, current.timeMs) }
  }
  return to.timeMs > current.timeMs ? to : undefined
}

/**
 * A member that lost the partition may write its last mark after the first one of the new owner.
 */
const isLater = (read: Mark, known: Mark | undefined): boolean =>
  known === undefined ||
  read.timeMs > known.timeMs ||
  (read.timeMs === known.timeMs && read.acknowledged > known.acknowledged)
