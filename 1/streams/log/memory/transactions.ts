import { LogError } from '../port.ts'
import { partitionKey } from '../port.ts'
import type { LogTransactions, OutRecord, TransactionBatch, Written } from '../port.ts'
import type { Broker } from './broker.ts'
import type { Connection } from './connection.ts'
import type { MemoryFaults } from './faults.ts'
import type { ProducerSession, Stamp } from './transaction-coordinator.ts'

/** The faults that strike a transactional id. */
type Point = {
  [K in keyof MemoryFaults]-?: NonNullable<MemoryFaults[K]> extends (at: {
    readonly transactionalId: string
  }) => boolean
    ? K
    : never
}[keyof MemoryFaults]

/**
 * The port's transactions: every step is a request of its own, so a crash or a fence may fall
 * between any two.
 */
export class MemoryTransactions implements LogTransactions {
  readonly #broker: Broker
  readonly #connection: Connection
  readonly #transactionalId: string
  #session: ProducerSession | null = null
  #stamp: Stamp = { transaction: 0, sequence: 0 }
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
        const fence = () => this.#broker.transactions.fence(this.#transactionalId)
        const session = fence()
        this.#again('fenceAgain', fence)
        return session
      })
      this.#stamp = { transaction: 0, sequence: 0 }
    })
  }

  commit(batch: TransactionBatch): Promise<Written> {
    return this.#alone(async () => {
      const session = this.#session
      if (session === null) throw new LogError('fatal', `${this.#transactionalId} must fence first`)
      this.#stamp = { ...this.#stamp, transaction: this.#stamp.transaction + 1 }
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
  async #stage(session: ProducerSession, batch: TransactionBatch): Promise<Written> {
    const { transactions } = this.#broker
    try {
      const written = await this.#produce(session, batch.records)
      const staged = batch.moves.map(({ group, cursors, member }) => ({
        group,
        cursors: cursors(written),
        member: member?.(),
      }))
      const stamp = this.#stamp
      for (const one of staged) await this.#connection.request(() => transactions.stage(session, one, stamp))
      return written
    } catch (error) {
      if (!(error instanceof LogError && error.code === 'fenced')) {
        await this.#connection.request(() => transactions.end(session, 'aborted', this.#stamp))
      }
      throw error
    }
  }

  /** In one request, or by a fault in one for each partition: other brokers lead them. */
  async #produce(session: ProducerSession, records: readonly OutRecord[]): Promise<Written> {
    const isSplit = this.#strikes('recordsInParts')
    const written = new Map<string, number>()
    const parts = isSplit ? partsOf(records) : [records]
    for (const [index, part] of parts.entries()) {
      const stamp = { ...this.#stamp, sequence: this.#stamp.sequence + 1 }
      this.#stamp = stamp
      const ends = await this.#connection.request(() => {
        this.#refuse(index === 0 ? 'recordsRefused' : 'recordsPartial', 'retriable')
        const write = () => this.#broker.transactions.write(session, part, stamp)
        const ends = write()
        this.#again('recordsAgain', write)
        return ends
      })
      for (const [key, end] of ends) written.set(key, end)
    }
    return written
  }

  async #end(session: ProducerSession): Promise<void> {
    try {
      const stamp = this.#stamp
      await this.#connection.request(() => this.#arrive(session, stamp))
    } catch (error) {
      if (error instanceof LogError && error.code === 'unknown') this.#session = null
      throw error
    }
  }

  #arrive(session: ProducerSession, stamp: Stamp): void {
    const { transactions } = this.#broker
    const commit = () => transactions.end(session, 'committed', stamp)
    this.#refuse('beforeCommit', 'unknown')
    if (this.#strikes('commitRefused')) {
      transactions.end(session, 'aborted', stamp)
      throw new LogError('retriable', 'the broker aborted the transaction')
    }
    if (this.#strikes('commitLate')) {
      this.#broker.schedule(() => unanswered(commit))
      throw new LogError('unknown', 'the commit is late')
    }
    commit()
    this.#again('commitAgain', commit)
    this.#refuse('afterCommitBeforeReply', 'unknown')
  }

  #again(point: 'fenceAgain' | 'recordsAgain' | 'commitAgain', request: () => unknown): void {
    if (this.#strikes(point)) this.#broker.late(() => unanswered(request))
  }

  #strikes(point: Point): boolean {
    return this.#broker.faults[point]?.({ transactionalId: this.#transactionalId }) === true
  }

  #refuse(point: Point, code: 'retriable' | 'unknown'): void {
    if (this.#strikes(point)) throw new LogError(code, point)
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

/** Nobody waits for the answer any more; to be refused is one of those that are expected. */
function unanswered(request: () => unknown): void {
  try {
    request()
  } catch (error) {
    if (!(error instanceof LogError)) throw error
  }
}

function partsOf(records: readonly OutRecord[]): readonly (readonly OutRecord[])[] {
  const parts = new Map<string, OutRecord[]>()
  for (const record of records) {
    const key = partitionKey(record)
    const part = parts.get(key)
    if (part === undefined) parts.set(key, [record])
    else part.push(record)
  }
  return parts.size === 0 ? [records] : [...parts.values()]
}
