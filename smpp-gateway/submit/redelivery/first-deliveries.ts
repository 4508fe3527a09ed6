/**
 * NATS 2.9 steps back by one message when a redelivery is due and the only pull that waits has just
 * ended: what it had delivered last comes again, with a count of 1 (ADR 0049). A process that is
 * killed leaves such pulls behind, once each. So many in a row without a new message in between are
 * out of the question.
 */
const STEPS_BACK_MAX = 100

/** Where a message stands. */
export interface Arrival {
  /** NATS says that it has delivered it before. */
  readonly redelivered: boolean
  /** Sequence in the stream. */
  readonly seq: number
}

/**
 * Which deliveries are the first of their command [S4]. That NATS says so is not enough: it must
 * also be newer than all that this process has taken, and than all that another owner of the queue
 * may have. One that is taken for a repetition costs two questions; the other mistake could send
 * an SMS twice.
 */
export class FirstDeliveries {
  #newest = 0
  #hasBegun = false

  /** Another process may have worked on the queue meanwhile. */
  handedOver(): void {
    this.#hasBegun = false
  }

  /** @param delivered what NATS has delivered as of now, a sequence in the stream */
  begin(delivered: number): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#newest = Math.max(this.#newest, delivered + STEPS_BACK_MAX)
  }

  isFirst({ redelivered, seq }: Arrival): boolean {
    const isNewer = seq > this.#newest
    if (isNewer) this.#newest = seq
    return this.#hasBegun && isNewer && !redelivered
  }
}
