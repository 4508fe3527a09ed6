import { LogError } from '../../port.ts'
import type { Cursor } from '../../port.ts'
import { addOffsetsToTxn, addPartitionsToTxn, endTxn, txnOffsetCommit } from '../codecs/apis.ts'
import type { Round } from './batches.ts'
import { BrokerError, INVALID_TXN_STATE } from '../cluster/broker-error.ts'
import { Coordinator } from '../cluster/coordinator.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Lane } from '../wire/broker-connections.ts'
import { offsetsPayload } from '../codecs/offsets-payload.ts'
import type { Producer } from './producer.ts'

interface TransactionOptions {
  readonly cluster: Cluster
  readonly lane: Lane
  readonly transactionalId: string
  readonly coordinator: Coordinator
  readonly producer: Producer
  readonly group: string
  /** After which nothing is repeated any more. */
  readonly deadline: number
}

/**
 * An abort is worth more patience than a commit: without it the partitions stay blocked until the
 * transaction times out.
 */
const ABORT_WITHIN_MS = 10_000

/** OPERATION_NOT_ATTEMPTED: another partition of the same request is to blame. */
const NOT_ATTEMPTED = 55

/** The requests of one transaction. Who may call which when is `transactions.ts`'s concern. */
export class Transaction {
  readonly #options: TransactionOptions
  /** Whether the coordinator may know of this transaction, and whether it does. */
  #mayBeOpen = false
  #isOpen = false
  #hasOffsets = false

  constructor(options: TransactionOptions) {
    this.#options = options
  }

  get deadline(): number {
    return this.#options.deadline
  }

  get mayBeOpen(): boolean {
    return this.#mayBeOpen
  }

  /**
   * Tells the coordinator what takes part. Both requests at once: they go to the same broker, which
   * takes them in turn.
   */
  async open(rounds: readonly Round[], withOffsets: boolean): Promise<void> {
    const adding = withOffsets
      ? [this.#addPartitions(rounds), this.#addOffsets()]
      : [this.#addPartitions(rounds)]
    // Nothing of it may still be on its way when the caller aborts.
    const added = await Promise.allSettled(adding)
    for (const one of added) if (one.status === 'rejected') throw one.reason
  }

  async moveCursors(cursors: readonly Cursor[]): Promise<void> {
    if (cursors.length === 0) return
    const { cluster, lane, group, deadline } = this.#options
    if (group === '') throw new LogError('fatal', 'cursors need a group')
    if (!this.#hasOffsets) await this.#addOffsets()
    const payload = { ...this.#identity(), groupId: group, topics: offsetsPayload(cursors) }
    const coordinator = new Coordinator(cluster, lane, 'group', group)
    await coordinator.ask(
      {
        name: 'TxnOffsetCommit',
        call: txnOffsetCommit(payload),
        codeOf: ({ topics }) => firstCode(topics.flatMap(({ partitions }) => partitions)),
      },
      deadline,
    )
  }

  /**
   * A lost answer is asked for again: the coordinator answers a second commit of the same epoch
   * like the first. As yet a request that the network holds up can so commit half of the next
   * transaction [F6].
   */
  async commit(): Promise<void> {
    await this.#end(true, this.#options.deadline)
  }

  /** Resolves when nothing of the transaction can become visible any more. */
  async abort(): Promise<void> {
    try {
      await this.#end(false, this.#options.cluster.clock.now() + ABORT_WITHIN_MS)
    } catch (error) {
      // There is none to abort: what should have opened it never arrived.
      if (!this.#isOpen && error instanceof BrokerError && error.code === INVALID_TXN_STATE) return
      throw error
    }
  }

  async #end(transactionResult: boolean, deadline: number): Promise<void> {
    const call = endTxn({ ...this.#identity(), transactionResult })
    await this.#options.coordinator.ask({ name: 'EndTxn', call, codeOf: errorCode }, deadline)
  }

  async #addPartitions(rounds: readonly Round[]): Promise<void> {
    this.#mayBeOpen = true
    // A partition's first batch is in the first round.
    const topics = new Map<string, number[]>()
    for (const { topic, partition } of rounds[0] ?? []) {
      const partitions = topics.get(topic)
      if (partitions === undefined) topics.set(topic, [partition])
      else partitions.push(partition)
    }
    const named = [...topics].map(([topic, partitions]) => ({ topic, partitions }))
    await this.#options.coordinator.ask(
      {
        name: 'AddPartitionsToTxn',
        call: addPartitionsToTxn({ ...this.#identity(), topics: named }),
        codeOf: ({ errors }) => firstCode(errors.flatMap(({ partitionErrors }) => partitionErrors)),
      },
      this.#options.deadline,
    )
    this.#isOpen = true
  }

  async #addOffsets(): Promise<void> {
    this.#mayBeOpen = true
    const call = addOffsetsToTxn({ ...this.#identity(), groupId: this.#options.group })
    const request = { name: 'AddOffsetsToTxn', call, codeOf: errorCode }
    await this.#options.coordinator.ask(request, this.#options.deadline)
    this.#isOpen = true
    this.#hasOffsets = true
  }

  #identity(): { transactionalId: string; producerId: string; producerEpoch: number } {
    const { producerId, epoch } = this.#options.producer.identity
    const { transactionalId } = this.#options
    return { transactionalId, producerId: producerId.toString(), producerEpoch: epoch }
  }
}

const errorCode = (answer: { readonly errorCode: number }): number => answer.errorCode

function firstCode(parts: readonly { readonly errorCode: number }[]): number {
  const codes = parts.map(errorCode).filter((code) => code !== 0)
  return codes.find((code) => code !== NOT_ATTEMPTED) ?? codes[0] ?? 0
}
