import type { LogRecord } from '../../log/port.ts'

/**
 * The bounded buffers of one task, one per input topic, merged by record time. Of all heads the
 * oldest is taken first, ties by topic name. So a backlog of several inputs is read in the same
 * order on every replay.
 */
export interface InputLimits {
  /** A buffer at this size asks to be paused, and to be resumed at half of it. */
  readonly recordsPerTopicMax: number
  /** The same for keys and values: records may have 900 KiB. One fetch may come on top of it. */
  readonly bytesPerTopicMax: number
}

/** What a record weighs in a buffer; its object and headers are estimated. */
export const bytesOf = ({ key, value }: LogRecord): number =>
  RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
const RECORD_OVERHEAD_BYTES = 200

export type FlowControl = (topic: string, flow: 'pause' | 'resume') => void

interface Buffer {
  readonly topic: string
  records: LogRecord[]
  head: number
  bytes: number
  /** Where the partition goes on after the last record taken. */
  next: number
  /** Where the reader stands: beyond the last record offered, control records included. */
  offered: number
  paused: boolean
}

export class Inputs {
  readonly #buffers: readonly Buffer[]
  readonly #byTopic: ReadonlyMap<string, Buffer>
  readonly #max: number
  readonly #bytesMax: number
  readonly #flow: FlowControl

  constructor(topics: readonly string[], limits: InputLimits, flow: FlowControl) {
    this.#buffers = [...topics].sort().map((topic) => emptyBuffer(topic))
    this.#byTopic = new Map(this.#buffers.map((buffer) => [buffer.topic, buffer]))
    this.#max = limits.recordsPerTopicMax
    this.#bytesMax = limits.bytesPerTopicMax
    this.#flow = flow
  }

  /** Starts a topic anew at `next`: what was buffered is dropped. */
  reset(topic: string, next: number): void {
    const buffer = this.#of(topic)
    Object.assign(buffer, { ...emptyBuffer(topic), next, offered: next })
  }

  offer(topic: string, records: readonly LogRecord[], next: number): void {
    const buffer = this.#of(topic)
    for (const record of records) {
      if (record.offset < buffer.offered) continue
      buffer.records.push(record)
      buffer.bytes += bytesOf(record)
    }
    buffer.offered = Math.max(buffer.offered, next)
    if (sizeOf(buffer) === 0) buffer.next = buffer.offered
    if ((sizeOf(buffer) >= this.#max || buffer.bytes >= this.#bytesMax) && !buffer.paused) {
      buffer.paused = true
      this.#flow(topic, 'pause')
    }
  }

  get size(): number {
    return this.#buffers.reduce((sum, buffer) => sum + sizeOf(buffer), 0)
  }

  /** The oldest records over all topics, in merge order, at most `recordsMax`. */
  take(recordsMax: number): readonly LogRecord[] {
    const taken: LogRecord[] = []
    while (taken.length < recordsMax) {
      const buffer = this.#oldest()
      const record = buffer?.records[buffer.head]
      if (buffer === undefined || record === undefined) break
      buffer.head += 1
      buffer.bytes -= bytesOf(record)
      buffer.next = buffer.head === buffer.records.length ? buffer.offered : record.offset + 1
      taken.push(record)
    }
    for (const buffer of this.#buffers) this.#compact(buffer)
    return taken
  }

  waits(topic: string): boolean {
    return sizeOf(this.#of(topic)) > 0
  }

  /** Timestamp of the oldest waiting record; Infinity when nothing waits. */
  oldestMs(): number {
    const buffer = this.#oldest()
    return buffer?.records[buffer.head]?.timestamp ?? Number.POSITIVE_INFINITY
  }

  /** Next offset to read of each topic, once all that was taken is done. */
  nextOffsets(): ReadonlyMap<string, number> {
    return new Map(this.#buffers.map((buffer) => [buffer.topic, buffer.next]))
  }

  #oldest(): Buffer | undefined {
    let oldest: Buffer | undefined
    let oldestMs = Number.POSITIVE_INFINITY
    for (const buffer of this.#buffers) {
      const record = buffer.records[buffer.head]
      if (record === undefined || record.timestamp >= oldestMs) continue
      oldest = buffer
      oldestMs = record.timestamp
    }
    return oldest
  }

  #compact(buffer: Buffer): void {
    // Every time: what has been taken must not stay in memory, and what is left is short beside a
    // round.
    if (buffer.head > 0) {
      buffer.records = buffer.records.slice(buffer.head)
      buffer.head = 0
    }
    if (buffer.paused && sizeOf(buffer) <= this.#max / 2 && buffer.bytes <= this.#bytesMax / 2) {
      buffer.paused = false
      this.#flow(buffer.topic, 'resume')
    }
  }

  #of(topic: string): Buffer {
    const buffer = this.#byTopic.get(topic)
    if (buffer === undefined) throw new Error(`${topic} is no input of this task`)
    return buffer
  }
}

const sizeOf = (buffer: Buffer): number => buffer.records.length - buffer.head

const emptyBuffer = (topic: string): Buffer => ({
  topic,
  records: [],
  head: 0,
  bytes: 0,
  next: 0,
  offered: 0,
  paused: false,
})
