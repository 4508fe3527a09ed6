import { LogError } from '../port.ts'
import type { LogTransactions, Written } from '../port.ts'
import type { Broker } from './broker.ts'
import type { Connection } from './connection.ts'
import type { ProducerSession } from './transaction-coordinator.ts'

type Batch = Parameters<LogTransactions['commit']>[0]

/**
 * The port's transactions: every step is a request of its own, so a crash or a fence may fall
 * between any two.
 */
export class MemoryTransactions implements LogTransactions {
  readonly #broker: Broker
  readonly #connection: Connection
  readonly #transactionalId: string
  #session: ProducerSession | null = null
  #busy = false
  #closed = false

  constructor(broker: Broker, connection: Connection, transactionalId: string) {
    this.#broker = broker
    this.#connection = connection
    this.#transactionalId = transactionalId
  }

  fence(): Promise<void> {
    return this.#alone(async () => {
      this.#session = await this.#connection.request(() => {
        this.#refuse('fenceRefused', 'retriable')
        return this.#broker.transactions.fence(this.#transactionalId)
      })
    })
  }

  commit(batch: Batch): Promise<Written> {
    return this.#alone(async () => {
      const session = this.#session
      if (session === null) throw new LogError('fatal', `${this.#transactionalId} must fence first`)
      const written = await this.#stage(session, batch)
      await this.#end(session)
      return written
    })
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }

  /**
   * Anything that goes wrong before the end is settled by an abort, also an error thrown by the
   * caller's `cursors`.
   */
  async #stage(session: ProducerSession, batch: Batch): Promise<Written> {
    const { transactions } = this.#broker
    try {
      const written = await this.#connection.request(() => {
        this.#refuse('recordsRefused', 'retriable')
        return transactions.write(session, batch.records)
      })
      const cursors = batch.cursors(written)
      await this.#connection.request(() => transactions.stage(session, batch.group, cursors))
      return written
    } catch (error) {
      if (!(error instanceof LogError && error.code === 'fenced')) {
        await this.#connection.request(() => transactions.end(session, 'aborted'))
      }
      throw error
    }
  }

  async #end(session: ProducerSession): Promise<void> {
    try {
      await this.#connection.request(() => this.#arrive(session))
    } catch (error) {
      if (error instanceof LogError && error.code === 'unknown') this.#session = null
      throw error
    }
  }

  #arrive(session: ProducerSession): void {
    const { transactions, faults } = this.#broker
    const at = { transactionalId: this.#transactionalId }
    this.#refuse('beforeCommit', 'unknown')
    if (faults.commitRefused?.(at) === true) {
      transactions.end(session, 'aborted')
      throw new LogError('retriable', 'the broker aborted the transaction')
    }
    if (faults.commitLate?.(at) === true) {
      this.#broker.schedule(() => this.#arriveLate(session))
      throw new LogError('unknown', 'the commit is late')
    }
    transactions.end(session, 'committed')
    this.#refuse('afterCommitBeforeReply', 'unknown')
  }

  /** Nobody waits for the outcome any more; being fenced is one of the two that are expected. */
  #arriveLate(session: ProducerSession): void {
    try {
      this.#broker.transactions.end(session, 'committed')
    } catch (error) {
      if (!(error instanceof LogError && error.code === 'fenced')) throw error
    }
  }

  #refuse(
    point: 'fenceRefused' | 'recordsRefused' | 'beforeCommit' | 'afterCommitBeforeReply',
    code: 'retriable' | 'unknown',
  ): void {
    const at = { transactionalId: this.#transactionalId }
    if (this.#broker.faults[point]?.(at) === true) throw new LogError(code, point)
  }

  /** Two at a time under one id would be two transactions in one: a programmer's error. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new LogError('fatal', `${this.#transactionalId} is closed`)
    if (this.#busy) throw new LogError('fatal', `${this.#transactionalId} is busy`)
    this.#busy = true
    try {
      return await work()
    } finally {
      this.#busy = false
    }
  }
}
