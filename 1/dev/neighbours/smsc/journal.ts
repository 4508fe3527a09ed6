import { createWriteStream, type WriteStream } from 'node:fs'

/**
 * What the operator has seen, in order, append-only: the evidence of what really was sent. It holds
 * numbers and texts in the clear, because it is a tool under test control that meets invented data
 * only.
 */
export type Entry =
  | SubmitEntry
  | MessageEntry
  | ReceiptEntry
  | ReceiptRefusalEntry
  | SessionEntry
  | FaultEntry

/** One submit_sm that reached a bound session. */
export interface SubmitEntry {
  readonly kind: 'submit'
  readonly systemId: string
  readonly session: number
  readonly source: string
  readonly destination: string
  /** Concatenation reference; null in a message of one part. */
  readonly reference: number | null
  readonly index: number
  readonly total: number
  readonly text: string
  readonly esmClass: number
  readonly dataCoding: number
  readonly registeredDelivery: number
  readonly validityPeriod: string
  readonly scenario: string
  readonly tries: number
  /** Taken: on its way to the subscriber, whatever answer the gateway got. */
  readonly taken: boolean
  /** Taken before: the subscriber gets this segment again. */
  readonly duplicate: boolean
  readonly reply: string
  readonly status: number | null
  readonly messageId: string | null
}

/** All segments of a message have been taken; the text is joined. */
export interface MessageEntry {
  readonly kind: 'message'
  readonly systemId: string
  readonly destination: string
  readonly reference: number | null
  readonly total: number
  readonly text: string
}

export interface ReceiptEntry {
  readonly kind: 'receipt'
  readonly systemId: string
  readonly session: number
  readonly destination: string
  readonly id: string
  readonly stat: string
  readonly tries: number
}

export interface ReceiptRefusalEntry {
  readonly kind: 'receipt-refused'
  readonly systemId: string
  readonly session: number
  readonly id: string
  /** Null when the session closed or the answer did not come in time. */
  readonly status: number | null
}

export interface SessionEntry {
  readonly kind: 'bind' | 'unbind' | 'close'
  readonly systemId: string
  readonly session: number
  readonly status: number
}

/** A PDU that is malformed or breaks a rule; `rule` says which. */
export interface FaultEntry {
  readonly kind: 'fault'
  readonly systemId: string
  readonly session: number
  readonly rule: string
  readonly status: number
}

export type Recorded = Entry & { readonly seq: number; readonly at: string }

/** Entries kept for `entries`; the file keeps all. */
const ENTRIES_MAX = 200_000
const FLUSH_MS = 20

export class Journal {
  readonly #now: () => number
  readonly #file: WriteStream | undefined
  readonly #entries: Recorded[] = []
  #lines = ''
  #timer: NodeJS.Timeout | undefined
  #seq = 0

  constructor(now: () => number, file?: string) {
    this.#now = now
    this.#file = file === undefined ? undefined : createWriteStream(file, { flags: 'a' })
  }

  record(entry: Entry): void {
    this.#seq += 1
    const recorded: Recorded = { seq: this.#seq, at: new Date(this.#now()).toISOString(), ...entry }
    this.#entries.push(recorded)
    // Dropping a half at a time keeps the cost of a record constant.
    if (this.#entries.length > 2 * ENTRIES_MAX) this.#entries.splice(0, ENTRIES_MAX)
    if (this.#file !== undefined) this.#writeLater(recorded)
  }

  /** Entries after `since` (a seq), oldest first. */
  entries(since = 0, limit = ENTRIES_MAX): readonly Recorded[] {
    const first = this.#entries[0]?.seq ?? 1
    const start = Math.max(0, since + 1 - first)
    return this.#entries.slice(start, start + limit)
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#flush()
    const file = this.#file
    if (file !== undefined) await new Promise<void>((resolve) => file.end(resolve))
  }

  #writeLater(recorded: Recorded): void {
    this.#lines += `${JSON.stringify(recorded)}\n`
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS)
  }

  #flush(): void {
    this.#timer = undefined
    if (this.#lines !== '') this.#file?.write(this.#lines)
    this.#lines = ''
  }
}
