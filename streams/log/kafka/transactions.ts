import { LogError, partitionKey } from '../port.ts'
import type { LogTransactions, Written } from '../port.ts'
import { planRounds } from './writing/batches.ts'
import type { Round } from './writing/batches.ts'
import { remedyFor } from './cluster/broker-error.ts'
import type { Cluster } from './cluster/cluster.ts'
import { Coordinator } from './cluster/coordinator.ts'
import type { Lane } from './wire/broker-connections.ts'
import { outcomeOf, unknownUnlessFenced } from './cluster/outcome.ts'
import { Producer } from './writing/producer.ts'
import { initProducerId } from './codecs/producer-id-request.ts'
import type { CurrentProducer } from './codecs/producer-id-request.ts'
import { Transaction } from './writing/transaction.ts'

type Batch = Parameters<LogTransactions['commit']>[0]

export interface TransactionsOptions {
  readonly cluster: Cluster
  readonly lane: Lane
  readonly transactionalId: string
  readonly timeoutMs: number
}

/**
 * The transaction of the former holder is settled meanwhile, which takes as long as its partitions
 * take.
 */
const FENCE_WITHIN_MS = 30_000

const NOTHING: Written = new Map()

/**
 * Transactions under one id. kafkajs asks for the coordinator before each step, gives up at the
 * first failure and never recovers, so its producer is not used. A commit is one run through
 * AddPartitions and AddOffsets, Produce, TxnOffsetCommit and EndTxn. Between commits nothing is
 * open, so nothing holds back readers.
 */
export class KafkaTransactions implements LogTransactions {
  readonly #options: TransactionsOptions
  readonly #coordinator: Coordinator
  #producer: Producer | null = null
  #fenced = false
  #busy = false
  #closed = false
  /** Whether the last commit moved cursors, from which it is guessed that the next one will. */
  #movesCursors = true

  constructor(options: TransactionsOptions) {
    this.#options = options
    const { cluster, lane, transactionalId } = options
    this.#coordinator = new Coordinator(cluster, lane, 'transaction', transactionalId)
  }

  fence(): Promise<void> {
    return this.#alone(async () => {
      this.#producer = null
      try {
        this.#producer = await this.#initProducer(this.#now() + FENCE_WITHIN_MS)
      } catch (error) {
        throw outcomeOf(error)
      }
    })
  }

  commit(batch: Batch): Promise<Written> {
    return this.#alone(async () => {
      const producer = this.#producer
      if (producer === null) throw this.#unusable()
      const rounds = planRounds(batch.records)
      const transaction = this.#transaction(producer, batch.group)
      const written = await this.#stage(transaction, producer, batch, rounds)
      if (transaction.mayBeOpen) await this.#end(transaction)
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

  #transaction(producer: Producer, group: string): Transaction {
    const { cluster, lane, transactionalId, timeoutMs } = this.#options
    const deadline = this.#now() + timeoutMs
    return new Transaction({
      cluster,
      lane,
      transactionalId,
      coordinator: this.#coordinator,
      producer,
      group,
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
    batch: Batch,
    rounds: readonly Round[],
  ): Promise<Written> {
    const written = new Map<string, number>()
    try {
      if (rounds.length > 0) {
        await this.#locate(rounds)
        await transaction.open(rounds, this.#movesCursors && batch.group !== '')
        await producer.produce(rounds, transaction.deadline, (appended, offset) =>
          written.set(partitionKey(appended), offset + appended.records.length),
        )
      }
      const cursors = batch.cursors(rounds.length > 0 ? written : NOTHING)
      await transaction.moveCursors(cursors)
      this.#movesCursors = cursors.length > 0
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

  async #end(transaction: Transaction): Promise<void> {
    try {
      await transaction.commit()
    } catch (error) {
      throw this.#drop(unknownUnlessFenced(error))
    }
  }

  /**
   * Aborts and says what may follow. Without certainty about the abort the id has to be fenced
   * again.
   */
  async #undo(transaction: Transaction, producer: Producer, error: unknown): Promise<unknown> {
    const remedy = remedyFor(error)
    if (remedy === 'fenced') return this.#drop(unknownUnlessFenced(error))
    try {
      if (transaction.mayBeOpen) await transaction.abort()
      if (producer.isOutOfStep) this.#producer = await this.#nextEpoch(producer)
    } catch (undoing) {
      return this.#drop(unknownUnlessFenced(undoing))
    }
    return remedy === 'start-over' ? this.#drop(unknownUnlessFenced(error)) : outcomeOf(error)
  }

  /**
   * Starts the sequences over, unless somebody has taken the id over: taking it back is the
   * caller's decision.
   */
  #nextEpoch({ identity: { producerId, epoch } }: Producer): Promise<Producer> {
    return this.#initProducer(this.#now() + this.#options.timeoutMs, { producerId, epoch })
  }

  async #initProducer(deadline: number, current?: CurrentProducer): Promise<Producer> {
    const { cluster, lane, transactionalId, timeoutMs } = this.#options
    const call = initProducerId({ transactionalId, timeoutMs, ...(current !== undefined && { current }) })
    const request = {
      name: 'InitProducerId',
      call,
      codeOf: (answer: { errorCode: number }) => answer.errorCode,
    }
    const { producerId, epoch } = await this.#coordinator.ask(request, deadline)
    return new Producer(cluster, lane, { transactionalId, producerId, epoch })
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
