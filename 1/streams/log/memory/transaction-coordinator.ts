import { LogError, partitionKey } from '../port.ts'
import type { Cursor, Membership, OutRecord, TopicPartition, Written } from '../port.ts'
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

/**
 * Which transaction of its session a request belongs to, and which request of the session it is.
 * As with transactions v2 (KIP-890), one that comes again after its transaction is told from the
 * next one's.
 */
export interface Stamp {
  readonly transaction: number
  readonly sequence: number
}

export interface OpenTransaction extends ProducerSession {
  /** The partitions that readers are held back in. */
  readonly partitions: readonly TopicPartition[]
}

interface Staged {
  readonly group: string
  readonly cursors: readonly Cursor[]
}

interface Transaction extends Fate {
  readonly number: number | undefined
  readonly touched: Set<PartitionLog>
  readonly cursors: Staged[]
}

interface Producer {
  readonly producerId: number
  epoch: number
  current: Transaction | null
  /** The last request of this epoch that brought records. */
  sequence: number
  /** Markers and cursors of a decided transaction that have not been written yet. */
  readonly unwritten: Set<() => void>
  /** The cursors among them. */
  readonly moving: Set<Staged>
}

export interface Staging extends Staged {
  readonly member: Membership | undefined
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
    this.#nextEpoch(producer)
    writeOut(producer)
    return { transactionalId, producerId: producer.producerId, epoch: producer.epoch }
  }

  /** A stamp that has been seen is a request that comes again, and changes nothing. */
  write(session: ProducerSession, records: readonly OutRecord[], stamp?: Stamp): Written {
    const producer = this.#held(session)
    if (stamp !== undefined && stamp.sequence <= producer.sequence) return new Map()
    const transaction = this.#open(session, stamp)
    producer.sequence = stamp?.sequence ?? producer.sequence
    return this.#topics.append(records, transaction, transaction.touched)
  }

  /** The cursors move when the transaction commits. */
  stage(session: ProducerSession, { member, ...staged }: Staging, stamp?: Stamp): void {
    const transaction = this.#open(session, stamp)
    this.#groups.assertCurrent(staged.group, member)
    this.#groups.check(staged.cursors)
    transaction.cursors.push(staged)
  }

  /** No transaction is about to move one of the cursors (KIP-447). */
  assertSettled(group: string, at: readonly TopicPartition[]): void {
    const asked = new Set(at.map(partitionKey))
    for (const { current, moving } of this.#producers.values())
      for (const staged of [...(current?.cursors ?? []), ...moving])
        if (staged.group === group && staged.cursors.some((cursor) => asked.has(partitionKey(cursor))))
          throw new LogError('retriable', `a transaction is about to move cursors of ${group}`)
  }

  /** Ends the transaction of the stamp; one that is over stays as it was decided. */
  end(session: ProducerSession, decision: 'committed' | 'aborted', stamp?: Stamp): void {
    const producer = this.#held(session)
    if (stamp === undefined || producer.current?.number === stamp.transaction)
      this.#decide(producer, decision)
  }

  /** Transaction timeout: the broker aborts and fences, without a new owner. */
  expire(transactionalId: string): void {
    const producer = this.#producers.get(transactionalId)
    if (producer?.current === null || producer === undefined) return
    this.#nextEpoch(producer)
  }

  open(): OpenTransaction[] {
    return [...this.#producers].flatMap(([transactionalId, { producerId, epoch, current }]) => {
      if (current === null) return []
      return [{ transactionalId, producerId, epoch, partitions: [...current.touched].map(({ at }) => at) }]
    })
  }

  #open(session: ProducerSession, stamp: Stamp | undefined): Transaction {
    const producer = this.#held(session)
    if (producer.current === null) {
      writeOut(producer)
      const number = stamp?.transaction
      producer.current = { number, decision: 'open', touched: new Set(), cursors: [] }
    }
    return producer.current
  }

  #nextEpoch(producer: Producer): void {
    producer.epoch += 1
    producer.sequence = 0
    this.#decide(producer, 'aborted')
  }

  #decide(producer: Producer, decision: 'committed' | 'aborted'): void {
    const transaction = producer.current
    if (transaction === null) return
    producer.current = null
    transaction.decision = decision
    for (const log of transaction.touched) this.#later(producer, () => log.mark(transaction))
    if (decision === 'aborted') return
    for (const staged of transaction.cursors) {
      producer.moving.add(staged)
      this.#later(producer, () => {
        producer.moving.delete(staged)
        this.#groups.move(staged.group, staged.cursors)
      })
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
      const producerId = this.#producers.size + 1
      const [unwritten, moving] = [new Set<() => void>(), new Set<Staged>()]
      producer = { producerId, epoch: -1, current: null, sequence: 0, unwritten, moving }
      this.#producers.set(transactionalId, producer)
    }
    return producer
  }
}

function writeOut(producer: Producer): void {
  for (const write of producer.unwritten) write()
}
