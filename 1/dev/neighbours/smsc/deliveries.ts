import type { Account, PendingReceipt } from './account.ts'
import { encodeShortMessage } from './bodies.ts'
import type { Counters } from './counters.ts'
import type { Journal } from './journal.ts'
import type { Timing } from './options.ts'
import { COMMAND, encodePdu, STATUS } from './pdu.ts'

interface Delivery {
  readonly pending: PendingReceipt
  readonly id: string
  readonly sentAtMs: number
}

export interface DeliveriesContext {
  readonly now: () => number
  readonly timing: Timing
  readonly counters: Counters
  readonly journal: Journal
}

/**
 * The deliver_sm of one session that wait for their answer. What is not acknowledged goes back to
 * the account and comes again.
 */
export class Deliveries {
  readonly #account: Account
  readonly #session: number
  readonly #context: DeliveriesContext
  /** By sequence number, oldest first. */
  readonly #open = new Map<number, Delivery>()

  constructor(account: Account, session: number, context: DeliveriesContext) {
    this.#account = account
    this.#session = session
    this.#context = context
  }

  get hasRoom(): boolean {
    return this.#open.size < this.#context.timing.receiptWindow
  }

  /** The PDU to write. */
  start(pending: PendingReceipt, sequence: number): Buffer {
    const { counters, journal, now } = this.#context
    const { id, stat, message } = pending.render()
    pending.tries += 1
    this.#open.set(sequence, { pending, id, sentAtMs: now() })
    counters.receiptsSent += 1
    journal.record({
      kind: 'receipt',
      systemId: this.#account.settings.systemId,
      session: this.#session,
      destination: message.source.text,
      id,
      stat,
      tries: pending.tries,
    })
    return encodePdu(COMMAND.deliver_sm, STATUS.ROK, sequence, encodeShortMessage(message))
  }

  /** An answer to an unknown sequence number is ignored: it comes too late. */
  answered(sequence: number, status: number): void {
    const delivery = this.#open.get(sequence)
    if (delivery === undefined) return
    this.#open.delete(sequence)
    if (status === STATUS.ROK) this.#context.counters.receiptsAcknowledged += 1
    else this.#refused(delivery, status)
    this.#account.flush()
  }

  /** Gives up what is overdue; called about once a second. */
  sweep(): void {
    const dueMs = this.#context.now() - this.#context.timing.receiptResponseMs
    for (const [sequence, delivery] of this.#open) {
      if (delivery.sentAtMs > dueMs) return
      this.#open.delete(sequence)
      this.#refused(delivery, null)
    }
  }

  /** The session has ended. */
  abandon(): void {
    for (const delivery of this.#open.values()) this.#refused(delivery, null)
    this.#open.clear()
  }

  #refused({ pending, id }: Delivery, status: number | null): void {
    const { systemId } = this.#account.settings
    this.#context.journal.record({ kind: 'receipt-refused', systemId, session: this.#session, id, status })
    this.#account.repeat(pending)
  }
}
