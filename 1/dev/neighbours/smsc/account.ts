import { setTimeout as later } from 'node:timers'
import type { Counters } from './counters.ts'
import type { SmscAccount, SmscAccountChange, Timing } from './options.ts'
import type { Receipt } from './receipts.ts'

/** A receipt on its way; it is repeated until it is acknowledged. */
export interface PendingReceipt {
  readonly render: () => Receipt
  tries: number
}

/** A bound session that takes receipts. */
export interface Receiver {
  readonly hasRoom: boolean
  deliver(pending: PendingReceipt): void
}

export interface AccountContext {
  readonly now: () => number
  readonly timing: Timing
  readonly counters: Counters
  readonly isPaused: () => boolean
}

const RECEIPTS_MAX = 500_000
const RECEIPT_TRIES_MAX = 1_000
const WINDOW_MS = 1_000

/**
 * State of one system_id over all its sessions: settings, rate, and the receipts that wait for a
 * session.
 */
export class Account {
  settings: SmscAccount
  /** Sessions that are bound now. */
  bound = 0
  readonly #context: AccountContext
  readonly #receivers = new Set<Receiver>()
  /** In order of arrival; a Set removes its first element in constant time, an array does not. */
  readonly #waiting = new Set<PendingReceipt>()
  #recentSubmits: number[] = []

  constructor(settings: SmscAccount, context: AccountContext) {
    this.settings = settings
    this.#context = context
  }

  get receiptsWaiting(): number {
    return this.#waiting.size
  }

  change(change: SmscAccountChange): void {
    this.settings = { ...this.settings, ...withoutUndefined(change) }
  }

  /** Counts a submit against the rate; false when it is one too many. */
  admits(): boolean {
    const { tps } = this.settings
    if (tps === 0) return true
    const oldest = this.#context.now() - WINDOW_MS
    this.#recentSubmits = this.#recentSubmits.filter((at) => at > oldest)
    if (this.#recentSubmits.length >= tps) return false
    this.#recentSubmits.push(this.#context.now())
    return true
  }

  join(receiver: Receiver): void {
    this.#receivers.add(receiver)
    this.flush()
  }

  leave(receiver: Receiver): void {
    this.#receivers.delete(receiver)
  }

  enqueue(pending: PendingReceipt): void {
    if (this.#waiting.size >= RECEIPTS_MAX) {
      this.#context.counters.receiptsDropped += 1
      return
    }
    this.#waiting.add(pending)
    this.flush()
  }

  /** After a refusal, a lost line or a missing answer. */
  repeat(pending: PendingReceipt): void {
    this.#context.counters.receiptsRefused += 1
    if (pending.tries >= RECEIPT_TRIES_MAX) this.#context.counters.receiptsDropped += 1
    else later(() => this.enqueue(pending), this.#context.timing.receiptRetryMs).unref()
  }

  flush(): void {
    if (this.#context.isPaused()) return
    for (const receiver of this.#receivers) {
      for (const pending of this.#waiting) {
        if (!receiver.hasRoom) break
        this.#waiting.delete(pending)
        receiver.deliver(pending)
      }
    }
  }
}

/** A partial body may name a field as undefined; that must not wipe the setting. */
function withoutUndefined(change: SmscAccountChange): Partial<SmscAccount> {
  const given: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(change)) if (value !== undefined) given[name] = value
  return given
}
