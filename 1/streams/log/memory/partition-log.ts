import type { HeaderValue, Headers, LogRecord, OutRecord, TopicPartition } from '../port.ts'

/** The fate of a transaction, shared by all its records; decided once. */
export interface Fate {
  decision: 'open' | 'committed' | 'aborted'
}

export interface ReadLimits {
  readonly recordsMax: number
  readonly bytesMax: number
}

/** Who is told what becomes of a partition. */
export interface Watcher {
  /** The last stable offset may have moved. */
  changed(): void
  /** What lay at `end` and above is gone, and the offsets are given again. */
  cutBack?(end: number): void
  /** The topic was made again: another log has its name. */
  replaced?(log: PartitionLog): void
}

/** Those of the records that are gone that were committed, or still will be. */
export type Lost = () => readonly LogRecord[]

interface Entry {
  readonly offset: number
  /** Null for a control record, which only takes up an offset. */
  readonly record: LogRecord | null
  readonly fate: Fate | null
}

/**
 * The records of one partition in offset order. Control records occupy offsets, compaction leaves
 * gaps. A transaction that has written here and has no marker yet holds back the last stable
 * offset, also once it has been decided elsewhere.
 */
export class PartitionLog {
  readonly at: TopicPartition
  #entries: Entry[] = []
  #start = 0
  #end = 0
  #isLed = true
  /** In the order of their first offsets here, because a map keeps the order of insertion. */
  readonly #unmarked = new Map<Fate, number>()
  readonly #watchers = new Set<Watcher>()

  constructor(at: TopicPartition) {
    this.at = at
  }

  /** First retained offset. */
  get start(): number {
    return this.#start
  }

  /** The offset that the next record gets. */
  get end(): number {
    return this.#end
  }

  /** Everything below is decided and marked. */
  get lastStable(): number {
    for (const first of this.#unmarked.values()) return first
    return this.#end
  }

  /** Nobody reads or writes a partition without a leader. */
  get isLed(): boolean {
    return this.#isLed
  }

  lead(isLed: boolean): void {
    this.#isLed = isLed
    if (isLed) this.notify()
  }

  /**
   * A leader that lacks the newest records has taken over: they are gone, and their offsets are
   * given again.
   */
  truncate(end: number): Lost {
    if (end >= this.#end) return () => []
    this.#end = Math.max(end, this.#start)
    const gone = this.#entries.splice(this.#indexOf(this.#end))
    for (const [fate, first] of this.#unmarked) if (first >= this.#end) this.#unmarked.delete(fate)
    for (const watcher of this.#watchers) watcher.cutBack?.(this.#end)
    this.notify()
    return () => committedOf(gone)
  }

  /** Its topic was made again. What transactions still decide, they decide of lost records. */
  replace(log: PartitionLog): Lost {
    for (const watcher of this.#watchers) watcher.replaced?.(log)
    return () => this.committed()
  }

  /** Returns how to stop watching. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /**
   * Returns the offset after the record. Readers learn of plain records by `notify`, once for a
   * whole write.
   */
  append(out: OutRecord, fate: Fate | null): number {
    if (fate !== null && !this.#unmarked.has(fate)) this.#unmarked.set(fate, this.#end)
    this.#entries.push({ offset: this.#end, record: stored(out, this.#end), fate })
    this.#end += 1
    return this.#end
  }

  /** Writes the commit or abort marker of a transaction that has records here. */
  mark(fate: Fate): void {
    if (!this.#unmarked.delete(fate)) return
    this.#entries.push({ offset: this.#end, record: null, fate })
    this.#end += 1
    this.notify()
  }

  notify(): void {
    for (const watcher of this.#watchers) watcher.changed()
  }

  /** Committed records from `from`, or from the first retained offset if that is higher. */
  read(from: number, limits: ReadLimits): { readonly records: LogRecord[]; readonly next: number } {
    const stable = this.lastStable
    const records: LogRecord[] = []
    let bytes = 0
    for (let i = this.#indexOf(from); i < this.#entries.length; i += 1) {
      const entry = this.#entries[i]
      if (entry === undefined || entry.offset >= stable) break
      if (entry.record === null || !isCommitted(entry)) continue
      bytes += bytesOf(entry.record)
      if (records.length > 0 && (records.length >= limits.recordsMax || bytes > limits.bytesMax)) {
        return { records, next: entry.offset }
      }
      records.push(entry.record)
    }
    return { records, next: Math.max(from, stable) }
  }

  /**
   * All committed records, also those that an older open transaction still holds back from readers.
   */
  committed(): LogRecord[] {
    return committedOf(this.#entries)
  }

  /** Retention: forgets what lies below, up to the last stable offset. */
  trim(below: number): void {
    this.#start = Math.max(this.#start, Math.min(below, this.lastStable))
    this.#entries.splice(0, this.#indexOf(this.#start))
  }

  /**
   * Keeps the newest committed value of each key below `below` and below the last stable offset.
   * Markers go too, and tombstones once their time is over. Whoever reads on in the middle sees it.
   */
  compact(below = Number.POSITIVE_INFINITY, tombstonesSinceMs = Number.POSITIVE_INFINITY): void {
    const stable = Math.min(below, this.lastStable)
    const newest = new Map<string, Entry>()
    for (const entry of this.#entries) {
      if (entry.offset >= stable) break
      if (entry.record !== null && isCommitted(entry)) newest.set(keyOf(entry.record), entry)
    }
    this.#entries = this.#entries.filter((entry) => {
      if (entry.offset >= stable) return true
      if (entry.record === null || newest.get(keyOf(entry.record)) !== entry) return false
      return entry.record.value !== null || entry.record.timestamp >= tombstonesSinceMs
    })
  }

  /** Index of the first entry at or above the offset. */
  #indexOf(offset: number): number {
    const entries = this.#entries
    const direct = offset - (entries[0]?.offset ?? 0)
    if (direct <= 0) return 0
    if (entries[direct]?.offset === offset) return direct
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((entries[middle]?.offset ?? offset) < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

const committedOf = (entries: readonly Entry[]): LogRecord[] =>
  entries.flatMap((entry) => (entry.record !== null && isCommitted(entry) ? [entry.record] : []))

function isCommitted(entry: Entry): boolean {
  return entry.fate === null || entry.fate.decision === 'committed'
}

function bytesOf(record: LogRecord): number {
  return (record.key?.length ?? 0) + (record.value?.length ?? 0)
}

function keyOf(record: LogRecord): string {
  return record.key?.toString('latin1') ?? ''
}

// Bytes are copied: a broker keeps what was sent, whatever the sender does with its buffer
// afterwards.
function stored(out: OutRecord, offset: number): LogRecord {
  return {
    topic: out.topic,
    partition: out.partition,
    offset,
    timestamp: out.timestamp,
    key: bytesFrom(out.key),
    value: bytesFrom(out.value),
    headers: storedHeaders(out.headers),
  }
}

function bytesFrom(value: HeaderValue | null): Buffer | null {
  if (value === null) return null
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value)
}

/** As a broker's client reads them: always bytes, a list only where the name repeats. */
function storedHeaders(headers: Headers | undefined): Headers {
  const result: Record<string, Buffer | readonly Buffer[]> = {}
  for (const [name, value] of Object.entries(headers ?? {})) {
    const all = (isList(value) ? value : [value]).map((one) => Buffer.from(one))
    const [only] = all
    if (only !== undefined) result[name] = all.length === 1 ? only : all
  }
  return result
}

function isList(value: HeaderValue | readonly HeaderValue[]): value is readonly HeaderValue[] {
  return Array.isArray(value)
}
