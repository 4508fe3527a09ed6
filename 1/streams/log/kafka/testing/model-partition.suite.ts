import { CODE } from './model-coordinator.suite.ts'
import type { Decision, Participant } from './model-coordinator.suite.ts'

export interface ModelBatch {
  readonly producerId: bigint
  readonly epoch: number
  readonly firstSequence: number
  readonly isTransactional: boolean
  readonly values: readonly string[]
}

interface Appended {
  readonly value: string
  readonly producerId: bigint
  fate: Decision | 'open'
}

interface Writer {
  epoch: number
  next: number
  /** First sequence and offset of the batches of this epoch. */
  readonly batches: Map<number, number>
}

/** A partition with what its leader knows of each producer. */
export class ModelPartition implements Participant {
  readonly #transactional: bigint
  readonly #records: Appended[] = []
  readonly #writers = new Map<bigint, Writer>()

  constructor(transactionalProducer: bigint) {
    this.#transactional = transactionalProducer
  }

  get committed(): string[] {
    return this.#records.filter(({ fate }) => fate === 'committed').map(({ value }) => value)
  }

  /** Whether a transaction has written here: only the first batch is verified. */
  get isOpen(): boolean {
    return this.#records.some(({ fate }) => fate === 'open')
  }

  append(batch: ModelBatch): { readonly code: number; readonly offset: number } {
    const writer = this.#writerOf(batch)
    if (batch.epoch < writer.epoch) return { code: CODE.oldEpoch, offset: -1 }
    if (batch.epoch > writer.epoch) this.#begin(writer, batch.epoch)
    const known = writer.batches.get(batch.firstSequence)
    if (known !== undefined) return { code: CODE.fine, offset: known }
    if (batch.firstSequence !== writer.next) return { code: CODE.outOfOrder, offset: -1 }
    const offset = this.#records.length
    writer.batches.set(writer.next, offset)
    writer.next += batch.values.length
    const fate = batch.isTransactional ? 'open' : 'committed'
    for (const value of batch.values) this.#records.push({ value, producerId: batch.producerId, fate })
    return { code: CODE.fine, offset }
  }

  /** A marker ends all that its producer has open here, whichever epoch wrote it. */
  decide(decision: Decision, markerEpoch: number): void {
    for (const record of this.#records) {
      if (record.fate === 'open' && record.producerId === this.#transactional) record.fate = decision
    }
    const writer = this.#writers.get(this.#transactional)
    if (writer !== undefined && markerEpoch > writer.epoch) this.#begin(writer, markerEpoch)
  }

  #writerOf({ producerId, epoch }: ModelBatch): Writer {
    let writer = this.#writers.get(producerId)
    if (writer === undefined) {
      writer = { epoch, next: 0, batches: new Map() }
      this.#writers.set(producerId, writer)
    }
    return writer
  }

  #begin(writer: Writer, epoch: number): void {
    writer.epoch = epoch
    writer.next = 0
    writer.batches.clear()
  }
}

/** The cursor of one group, which takes part in transactions as a partition does. */
export class ModelCursor implements Participant {
  next = 0
  #pending: number | null = null

  move(to: number): void {
    this.#pending = to
  }

  decide(decision: Decision): void {
    if (decision === 'committed' && this.#pending !== null) this.next = this.#pending
    this.#pending = null
  }
}
