/**
 * What a broker knows of one transactional id, one request after the other: epochs, what is open,
 * what has been decided. Follows Kafka's coordinator as of 4.x, with the verification of partitions
 * that it has since 3.6 (KIP-890).
 */
export const CODE = {
  fine: 0,
  outOfOrder: 45,
  oldEpoch: 47,
  invalidState: 48,
  otherProducer: 49,
  concurrent: 51,
  fenced: 90,
} as const

export type Decision = 'committed' | 'aborted'

/** Who must write a marker when the transaction ends. */
export interface Participant {
  decide(decision: Decision, markerEpoch: number): void
}

/** How many requests are told to wait while markers are written. */
const MARKERS_TAKE = 2

export class ModelCoordinator {
  readonly producerId = 7n
  epoch = -1
  #lastEpoch = -1
  #open: Set<Participant> | null = null
  #decided: Decision | null = null
  #busy = 0

  get isOpen(): boolean {
    return this.#open !== null
  }

  takes(participant: Participant): boolean {
    return this.#open?.has(participant) ?? false
  }

  /** A take-over, or with `current` the wish of the holder to go on in a new epoch. */
  init(current: { readonly producerId: bigint; readonly epoch: number } | null): number {
    if (this.#isBusy()) return CODE.concurrent
    if (current !== null && current.producerId !== this.producerId) return CODE.fenced
    if (this.#open !== null) return this.#fence()
    if (current !== null && this.epoch >= 0 && current.epoch !== this.epoch)
      return current.epoch === this.#lastEpoch ? CODE.fine : CODE.fenced
    this.#lastEpoch = current === null ? -1 : this.epoch
    this.epoch += 1
    this.#decided = null
    return CODE.fine
  }

  /** Opens the transaction if none is open. */
  add(producerId: bigint, epoch: number, participants: readonly Participant[]): number {
    if (producerId !== this.producerId) return CODE.otherProducer
    if (epoch !== this.epoch) return CODE.oldEpoch
    if (this.#isBusy()) return CODE.concurrent
    this.#open ??= new Set()
    for (const one of participants) this.#open.add(one)
    return CODE.fine
  }

  /** Protocol 1: a second end of the same kind is answered like the first. */
  end(producerId: bigint, epoch: number, decision: Decision): number {
    if (producerId !== this.producerId) return CODE.otherProducer
    if (epoch !== this.epoch) return CODE.oldEpoch
    if (this.#open !== null) return this.#decide(decision)
    if (this.#decided !== decision) return CODE.invalidState
    return this.#isBusy() ? CODE.concurrent : CODE.fine
  }

  /** Protocol 2: the end raises the epoch, so a second end comes from the epoch before. */
  endAndRaise(producerId: bigint, epoch: number, decision: Decision): number {
    if (producerId !== this.producerId) return CODE.otherProducer
    if (this.#open !== null) {
      if (epoch !== this.epoch) return CODE.fenced
      this.#lastEpoch = this.epoch
      this.epoch += 1
      return this.#decide(decision)
    }
    if (this.#decided === decision && epoch === this.epoch - 1)
      return this.#isBusy() ? CODE.concurrent : CODE.fine
    if (epoch !== this.epoch) return CODE.fenced
    if (decision === 'committed') return CODE.invalidState
    // An abort of nothing: it fences what should have opened the transaction.
    this.#lastEpoch = this.epoch
    this.epoch += 1
    this.#decided = 'aborted'
    return CODE.fine
  }

  /** The open transaction is aborted first; whoever asked has to ask again. */
  #fence(): number {
    this.epoch += 1
    this.#lastEpoch = -1
    this.#decide('aborted')
    return CODE.concurrent
  }

  #decide(decision: Decision): number {
    for (const one of this.#open ?? []) one.decide(decision, this.epoch)
    this.#open = null
    this.#decided = decision
    this.#busy = MARKERS_TAKE
    return CODE.fine
  }

  #isBusy(): boolean {
    this.#busy -= 1
    return this.#busy >= 0
  }
}
