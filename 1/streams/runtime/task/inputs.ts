import { isReplayed, type LogRecord } from '../../log/port.ts'

/**
 * The bounded buffers of one task, one per input topic, and the order in which they are read. Of
 * all heads the oldest is taken first, ties by topic name. With several inputs nothing is taken of
 * which the last sight of the log says nothing, nor while an input has not been read up to that
 * sight: else the order would be that of the fetches. So what the log holds is read in one order,
 * whatever the sizes of fetches and rounds.
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

/** The ends of all inputs, by topic, as they were at an instant of this process. */
export interface Sight {
  readonly atMs: number
  readonly ends: ReadonlyMap<string, number>
  /** What `Inputs.offered` said before the log was asked. */
  readonly offered: ReadonlyMap<string, number>
}

interface Buffer {
  readonly topic: string
  records: LogRecord[]
  /** First record that no handler has had. */
  head: number
  /** First record that the round in hand does not have. */
  ahead: number
  bytes: number
  /** Where the partition goes on after the last record that a handler has had. */
  next: number
  /** Where the reader stands: beyond the last record offered, control records included. */
  offered: number
  /** Offset of the last record that a handler has had. */
  last: number
  /** The last sight: all below was on the log then. */
  end: number
  /** The last sight says something of the records below. */
  covered: number
  paused: boolean
}

export class Inputs {
  readonly #buffers: readonly Buffer[]
  readonly #byTopic: ReadonlyMap<string, Buffer>
  readonly #max: number
  readonly #bytesMax: number
  readonly #flow: FlowControl
  #sightMs = Number.NEGATIVE_INFINITY

  constructor(topics: readonly string[], limits: InputLimits, flow: FlowControl) {
    this.#buffers = [...topics].sort().map((topic) => emptyBuffer(topic))
    this.#byTopic = new Map(this.#buffers.map((buffer) => [buffer.topic, buffer]))
    this.#max = limits.recordsPerTopicMax
    this.#bytesMax = limits.bytesPerTopicMax
    this.#flow = flow
  }

  /** Starts a topic anew at `next`: what was buffered is dropped, and no sight holds any more. */
  reset(topic: string, next: number): void {
    const buffer = this.#of(topic)
    Object.assign(buffer, { ...emptyBuffer(topic), next, offered: next })
    this.#sightMs = Number.NEGATIVE_INFINITY
  }

  offer(topic: string, records: readonly LogRecord[], next: number): void {
    const buffer = this.#of(topic)
    for (const record of records) {
      if (record.offset < buffer.offered) continue
      buffer.records.push(record)
      buffer.bytes += bytesOf(record)
    }
    buffer.offered = Math.max(buffer.offered, next)
    if (buffer.head === buffer.records.length) buffer.next = buffer.offered
    if ((sizeOf(buffer) >= this.#max || buffer.bytes >= this.#bytesMax) && !buffer.paused) {
      buffer.paused = true
      this.#flow(topic, 'pause')
    }
  }

  /** To be asked for before the log is, for a sight. */
  offered(): ReadonlyMap<string, number> {
    return new Map(this.#buffers.map((buffer) => [buffer.topic, buffer.offered]))
  }

  seen({ atMs, ends, offered }: Sight): void {
    this.#sightMs = atMs
    for (const buffer of this.#buffers) {
      buffer.end = ends.get(buffer.topic) ?? 0
      buffer.covered = Math.max(buffer.end, offered.get(buffer.topic) ?? 0)
    }
  }

  get sightMs(): number {
    return this.#sightMs
  }

  /** Of this instant the sight says nothing: something may have come to the log in it, after it. */
  seenBefore(dueMs: number): void {
    if (this.#sightMs === dueMs) this.#sightMs = dueMs - 1
  }

  get size(): number {
    return this.#buffers.reduce((sum, buffer) => sum + sizeOf(buffer), 0)
  }

  /** The records to be handled next, at most `recordsMax`. They stay until they are handled. */
  take(recordsMax: number): readonly LogRecord[] {
    const taken: LogRecord[] = []
    while (taken.length < recordsMax) {
      const buffer = this.#oldest()
      const record = buffer?.records[buffer.ahead]
      if (buffer === undefined || record === undefined) break
      buffer.ahead += 1
      buffer.bytes -= bytesOf(record)
      taken.push(record)
    }
    for (const buffer of this.#buffers) this.#resume(buffer)
    return taken
  }

  /** What follows after all that was taken; undefined when that is not known, or nothing does. */
  peek(): LogRecord | undefined {
    const buffer = this.#oldest()
    return buffer?.records[buffer.ahead]
  }

  /** A handler has had the record, which is the next of its topic. */
  handled({ topic, offset }: LogRecord): void {
    const buffer = this.#of(topic)
    buffer.head += 1
    buffer.last = offset
    buffer.next = buffer.head === buffer.records.length ? buffer.offered : offset + 1
  }

  /** The round is over: what was taken and not handled waits again. */
  settle(): void {
    for (const buffer of this.#buffers) {
      for (const record of buffer.records.slice(buffer.head, buffer.ahead)) buffer.bytes += bytesOf(record)
      // Every time: what has been handled must not stay in memory, and what is left is short beside
      // a round.
      if (buffer.head > 0) buffer.records = buffer.records.slice(buffer.head)
      buffer.head = 0
      buffer.ahead = 0
      this.#resume(buffer)
    }
  }

  waits(topic: string): boolean {
    return sizeOf(this.#of(topic)) > 0
  }

  /** Next offset to read of each topic, once all that was handled is done. */
  nextOffsets(): ReadonlyMap<string, number> {
    return new Map(this.#buffers.map((buffer) => [buffer.topic, buffer.next]))
  }

  /** Everything is handled that the log held at `dueMs`, and no older record waits. */
  vouchFor(dueMs: number, nowMs: number): boolean {
    return this.#buffers.every(
      (buffer) =>
        isYounger(buffer, dueMs) ?? (this.#isSightOf(dueMs, nowMs) && this.#reach(buffer) === 'end'),
    )
  }

  /**
   * Only another sight can tell whether a timer may fire that is due at `dueMs`. One sight is used
   * up before the next is taken: under a load that never ends the ends would else run away.
   */
  needSightFor(dueMs: number, nowMs: number): boolean {
    let isBlind = false
    for (const buffer of this.#buffers) {
      const younger = isYounger(buffer, dueMs)
      if (younger === true) continue
      const reach = this.#reach(buffer)
      // What waits is taken first, and what came after the sight is taken after the next one.
      if (younger === false && !this.#isBeyondSight(buffer)) return false
      if (younger === undefined && reach === 'before' && this.#sightMs <= nowMs) return false
      if (younger === false || reach !== 'end' || !this.#isSightOf(dueMs, nowMs)) isBlind = true
    }
    return isBlind
  }

  /** Records wait, and the last sight says of none of them what comes before it. */
  needSightToMerge(): boolean {
    if (!this.#isMerged || this.peek() !== undefined) return false
    return this.size > 0 && this.#buffers.every((buffer) => frontOf(buffer) >= buffer.end)
  }

  get #isMerged(): boolean {
    return this.#buffers.length > 1
  }

  /** A sight from later than now was taken before the clock was set back. */
  #isSightOf(dueMs: number, nowMs: number): boolean {
    return this.#sightMs >= dueMs && this.#sightMs <= nowMs
  }

  /** `beyond`: more was handled than the sight knew of, so there may be still more. */
  #reach(buffer: Buffer): 'before' | 'end' | 'beyond' {
    if (frontOf(buffer) < buffer.end) return 'before'
    return buffer.last >= buffer.covered ? 'beyond' : 'end'
  }

  #isBeyondSight({ records, head, covered }: Buffer): boolean {
    const record = records[head]
    return this.#isMerged && record !== undefined && record.offset >= covered
  }

  /** Undefined also while an input has yet to show what it holds. */
  #oldest(): Buffer | undefined {
    let oldest: Buffer | undefined
    let oldestMs = Number.POSITIVE_INFINITY
    for (const buffer of this.#buffers) {
      const record = buffer.records[buffer.ahead]
      if (this.#isMerged && (record === undefined || record.offset >= buffer.covered)) {
        if (buffer.offered < buffer.end) return undefined
        continue
      }
      if (record === undefined || record.timestamp >= oldestMs) continue
      oldest = buffer
      oldestMs = record.timestamp
    }
    return oldest
  }

  #resume(buffer: Buffer): void {
    if (!buffer.paused || sizeOf(buffer) > this.#max / 2 || buffer.bytes > this.#bytesMax / 2) return
    buffer.paused = false
    this.#flow(buffer.topic, 'resume')
  }

  #of(topic: string): Buffer {
    const buffer = this.#byTopic.get(topic)
    if (buffer === undefined) throw new Error(`${topic} is no input of this task`)
    return buffer
  }
}

const sizeOf = (buffer: Buffer): number => buffer.records.length - buffer.ahead

/** No record lies between what was handled and this. */
const frontOf = (buffer: Buffer): number => buffer.records[buffer.head]?.offset ?? buffer.offered

/** Undefined: its head says nothing. A replay upstream brings old times at any time. */
function isYounger(buffer: Buffer, dueMs: number): boolean | undefined {
  const head = buffer.records[buffer.head]
  if (head === undefined) return undefined
  if (head.timestamp > dueMs) return true
  return isReplayed(head.headers) ? undefined : false
}

const emptyBuffer = (topic: string): Buffer => ({
  topic,
  records: [],
  head: 0,
  ahead: 0,
  bytes: 0,
  next: 0,
  offered: 0,
  last: -1,
  end: 0,
  covered: 0,
  paused: false,
})
