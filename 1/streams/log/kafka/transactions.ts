import { LogError, partitionKey } from '../port.ts'
import type { LogTransactions, TransactionBatch, Written } from '../port.ts'
import { planInSlices } from './writing/batches.ts'
import type { Round } from './writing/batches.ts'
import { remedyFor } from './cluster/broker-error.ts'
import { Coordinator } from './cluster/coordinator.ts'
import { outcomeOf, unknownUnlessFenced } from './cluster/outcome.ts'
import type { Producer } from './writing/producer.ts'
import { ProducerEpochs } from './writing/producer-epochs.ts'
import type { ProducerEpochsOptions } from './writing/producer-epochs.ts'
import { Transaction } from './writing/transaction.ts'
import type { Successor } from './writing/transaction.ts'

/**
 * The transaction of the former holder is settled meanwhile, which takes as long as its partitions
 * take.
 */
const FENCE_WITHIN_MS = 30_000

/**
 * A commit that has been decided waits no longer than this for the epoch of the next one, which
 * else asks for it again.
 */
const RAISE_WITHIN_MS = 1_000

/**
 * Transactions under one id. kafkajs asks for the coordinator before each step, gives up at the
 * first failure and never recovers, so its producer is not used. A commit is one run through
 * AddPartitions and AddOffsets, Produce, TxnOffsetCommit and EndTxn; in protocol 2 through the last
 * three only. Between commits nothing is open, so nothing holds back readers.
 *
 * No two transactions share an epoch once an answer was lost: what may still arrive from the first
 * must find the epoch gone [F6]. In protocol 2 every end brings a new epoch. In protocol 1 it is
 * asked for, which the coordinator refuses when somebody else has taken the id over.
 */
export class KafkaTransactions implements LogTransactions {
  readonly #options: ProducerEpochsOptions
  readonly #coordinator: Coordinator
  readonly #epochs: ProducerEpochs
  #producer: Producer | null = null
  /** Whether the producer must take a new epoch before the next transaction begins. */
  #isSpent = false
  #fenced = false
  #busy = false
  #closed = false

  constructor(options: ProducerEpochsOptions) {
    this.#options = options
    const { cluster, lane, transactionalId } = options
    this.#coordinator = new Coordinator(cluster, lane, 'transaction', transactionalId)
    this.#epochs = new ProducerEpochs(options, this.#coordinator)
  }

  fence(): Promise<void> {
    return this.#alone(async () => {
      this.#producer = null
      try {
        this.#producer = await this.#epochs.takeOver(this.#now() + FENCE_WITHIN_MS)
        this.#isSpent = false
      } catch (error) {
        throw outcomeOf(error)
      }
    })
  }

  commit(batch: TransactionBatch): Promise<Written> {
    return this.#alone(async () => {
      const producer = await this.#ready()
      const rounds = await planInSlices(batch.records)
      const transaction = this.#transaction(producer)
      const written = await this.#stage(transaction, producer, batch, rounds)
      if (transaction.mayBeOpen) await this.#end(transaction, producer)
      return written
    })
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }

  #unusable(): LogError {
    const { transactionalId } = this.#options
    return this.#fenced
      ? new LogError('fenced', `${transactionalId} has been taken over`)
      : new LogError('fatal', `${transactionalId} must fence first`)
  }

  #drop(error: LogError): LogError {
    this.#producer = null
    this.#fenced = error.code === 'fenced'
    return error
  }

  #transaction(producer: Producer): Transaction {
    const { cluster, lane, transactionalId, timeoutMs } = this.#options
    const deadline = this.#now() + timeoutMs
    return new Transaction({
      cluster,
      lane,
      transactionalId,
      coordinator: this.#coordinator,
      producer,
      deadline,
    })
  }

  /**
   * Everything before the end. What goes wrong here, also in the caller's `cursors`, is undone
   * before it is thrown.
   */
  async #stage(
    transaction: Transaction,
    producer: Producer,
    batch: TransactionBatch,
    rounds: readonly Round[],
  ): Promise<Written> {
    const written = new Map<string, number>()
    try {
      if (rounds.length > 0) {
        await this.#locate(rounds)
        await transaction.open(
          rounds,
          batch.moves.map(({ group }) => group),
        )
        await producer.produce(rounds, transaction.deadline, (appended, offset) => {
          transaction.noteAppended()
          written.set(partitionKey(appended), offset + appended.records.length)
        })
      }
      await transaction.moveCursors(
        batch.moves.map(({ group, cursors, member }) => ({
          group,
          cursors: cursors(written),
          member: member?.(),
        })),
      )
      return written
    } catch (error) {
      throw await this.#undo(transaction, producer, error)
    }
  }

  /**
   * A partition that does not exist is better found out before a transaction names it. Other
   * trouble is met later on.
   */
  async #locate(rounds: readonly Round[]): Promise<void> {
    const { cluster } = this.#options
    for (const { topic, partition } of rounds[0] ?? []) {
      if (cluster.knownLeader(topic, partition) !== undefined) continue
      try {
        await cluster.leaderOf(topic, partition)
      } catch (error) {
        if (remedyFor(error) === undefined) throw error
      }
    }
  }

  async #end(transaction: Transaction, producer: Producer): Promise<void> {
    let successor: Successor
    try {
      successor = await transaction.commit()
    } catch (error) {
      throw this.#drop(unknownUnlessFenced(error))
    }
    await this.#goOn(transaction, producer, successor)
  }

  /**
   * Aborts and says what may follow. Without certainty about the abort the id has to be fenced
   * again.
   */
  async #undo(transaction: Transaction, producer: Producer, error: unknown): Promise<unknown> {
    const remedy = remedyFor(error)
    if (remedy === 'fenced') return this.#drop(unknownUnlessFenced(error))
    if (transaction.mayBeOpen) {
      try {
        await this.#goOn(transaction, producer, await transaction.abort())
      } catch (undoing) {
        return this.#drop(unknownUnlessFenced(undoing))
      }
    }
    return remedy === 'start-over' ? this.#drop(unknownUnlessFenced(error)) : outcomeOf(error)
  }

  /**
   * The transaction has ended: who speaks in the next one. A new epoch is asked for at once,
   * because a late request that comes first would open a transaction of its own, and ending that
   * fences us. If it cannot be had now, the next commit asks again.
   */
  async #goOn(transaction: Transaction, producer: Producer, successor: Successor): Promise<void> {
    if (successor !== undefined) {
      this.#producer = this.#epochs.of(successor)
      return
    }
    this.#isSpent = transaction.mayArriveLate || producer.isOutOfStep
    if (this.#isSpent) await Promise.allSettled([this.#raise(producer, this.#now() + RAISE_WITHIN_MS)])
  }

  /** The producer for a transaction that nothing late can reach. */
  async #ready(): Promise<Producer> {
    const producer = this.#producer
    if (producer === null) throw this.#unusable()
    if (!this.#isSpent) return producer
    try {
      return await this.#raise(producer, this.#now() + this.#options.timeoutMs)
    } catch (error) {
      const remedy = remedyFor(error)
      if (remedy === 'fenced' || remedy === 'start-over') throw this.#drop(unknownUnlessFenced(error))
      // Nothing has begun.
      throw outcomeOf(error)
    }
  }

  async #raise(from: Producer, deadline: number): Promise<Producer> {
    const raised = await this.#epochs.raise(from, deadline)
    this.#producer = raised
    this.#isSpent = false
    return raised
  }

  #now(): number {
    return this.#options.cluster.clock.now()
  }

  /** Two at a time under one id would be two transactions in one: a programmer's error. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const { transactionalId } = this.#options
    if (this.#closed) throw new LogError('fatal', `${transactionalId} is closed`)
    if (this.#busy) throw new LogError('fatal', `${transactionalId} is busy`)
    this.#busy = true
    try {
      return await work()
    } finally {
      this.#busy = false
    }
  }
}
