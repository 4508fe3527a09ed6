import { LogError } from '../port.ts'
import type { Cursor, OutRecord, TopicPartition, Written } from '../port.ts'
import type { Schedule } from './connection.ts'
import type { Groups } from './groups.ts'
import type { Fate, PartitionLog } from './partition-log.ts'
import type { Topics } from './topics.ts'

/** The right to write under a transactional id, until someone fences. */
export interface ProducerSession {
  readonly transactionalId: string
  readonly producerId: number
  readonly epoch: number
}

export interface OpenTransaction extends ProducerSession {
  /** The partitions that readers are held back in. */
  readonly partitions: readonly TopicPartition[]
}

interface Transaction extends Fate {
  readonly touched: Set<PartitionLog>
  readonly cursors: { readonly group: string; readonly cursors: readonly Cursor[] }[]
}

interface Producer {
  readonly producerId: number
  epoch: number
  current: Transaction | null
  /** Markers and cursors of a decided transaction that have not been written yet. */
  readonly unwritten: Set<() => void>
}

/**
 * Decides transactions as a broker does: the decision is one step, its markers follow partition by
 * partition and its cursors on their own, each in a turn of the scheduler. So a commit is
 * acknowledged before all of it can be seen. The next use of the id (a fence, a new transaction)
 * waits for them, and only that makes "fence first, then read the cursors" safe.
 */
export class TransactionCoordinator {
  readonly #topics: Topics
  readonly #groups: Groups
  readonly #schedule: Schedule
  readonly #producers = new Map<string, Producer>()

  constructor(topics: Topics, groups: Groups, schedule: Schedule) {
    this.#topics = topics
    this.#groups = groups
    this.#schedule = schedule
  }

  /**
   * Takes the id over. The former holder is fenced, and nothing of it stays undecided or unseen.
   */
  fence(transactionalId: string): ProducerSession {
    const producer = this.#producer(transactionalId)
    producer.epoch += 1
    this.#decide(producer, 'aborted')
    writeOut(producer)
    return { transactionalId, producerId: producer.producerId, epoch: producer.epoch }
  }

  write(session: ProducerSession, records: readonly OutRecord[]): Written {
    const transaction = this.#open(session)
    return this.#topics.append(records, transaction, transaction.touched)
  }

  /** The cursors move when the transaction commits. */
  stage(session: ProducerSession, group: string, cursors: readonly Cursor[]): void {
    const transaction = this.#open(session)
    this.#groups.check(cursors)
    transaction.cursors.push({ group, cursors })
  }

  end(session: ProducerSession, decision: 'committed' | 'aborted'): void {
    this.#decide(this.#held(session), decision)
  }

  /** Transaction timeout: the broker aborts and fences, without a new owner. */
  expire(transactionalId: string): void {
    const producer = this.#producers.get(transactionalId)
    if (producer?.current === null || producer === undefined) return
    producer.epoch += 1
    this.#decide(producer, 'aborted')
  }

  open(): OpenTransaction[] {
    return [...this.#producers].flatMap(([transactionalId, { producerId, epoch, current }]) => {
      if (current === null) return []
      return [{ transactionalId, producerId, epoch, partitions: [...current.touched].map(({ at }) => at) }]
    })
  }

  #open(session: ProducerSession): Transaction {
    const producer = this.#held(session)
    if (producer.current === null) {
      writeOut(producer)
      producer.current = { decision: 'open', touched: new Set(), cursors: [] }
    }
    return producer.current
  }

  #decide(producer: Producer, decision: 'committed' | 'aborted'): void {
    const transaction = producer.current
    if (transaction === null) return
    producer.current = null
    transaction.decision = decision
    for (const log of transaction.touched) this.#later(producer, () => log.mark(transaction))
    if (decision === 'aborted') return
    for (const { group, cursors } of transaction.cursors) {
      this.#later(producer, () => this.#groups.move(group, cursors))
    }
  }

  #later(producer: Producer, write: () => void): void {
    const once = (): void => {
      if (producer.unwritten.delete(once)) write()
    }
    producer.unwritten.add(once)
    this.#schedule(once)
  }

  #held(session: ProducerSession): Producer {
    const producer = this.#producer(session.transactionalId)
    if (producer.epoch !== session.epoch) {
      throw new LogError('fenced', `${session.transactionalId} has been taken over`)
    }
    return producer
  }

  #producer(transactionalId: string): Producer {
    let producer = this.#producers.get(transactionalId)
    if (producer === undefined) {
      producer = { producerId: this.#producers.size + 1, epoch: -1, current: null, unwritten: new Set() }
      this.#producers.set(transactionalId, producer)
    }
    return producer
  }
}

function writeOut(producer: Producer): void {
  for (const write of producer.unwritten) write()
}
