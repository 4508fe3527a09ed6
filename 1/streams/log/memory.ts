import type { Cursor, LogConsumer, LogRecord, OutRecord, TopicPartition, Written } from './port.ts'
import { memoryBroker } from './memory/broker.ts'
import type { Broker } from './memory/broker.ts'
import { memoryClient } from './memory/client.ts'
import type { MemoryClient } from './memory/client.ts'
import type { Schedule } from './memory/connection.ts'
import { MemoryConsumer } from './memory/consumer.ts'
import type { MemoryFaults } from './memory/faults.ts'
import { follow } from './memory/follow.ts'
import type { Lost } from './memory/partition-log.ts'
import type { OpenTransaction } from './memory/transaction-coordinator.ts'

export interface MemoryLogOptions {
  /**
   * Everything asynchronous takes its turn here; must not run the task at once. Default:
   * `queueMicrotask`.
   */
  readonly schedule?: Schedule
  /** The same for what a fault sends on a long way. Default: `schedule`. */
  readonly late?: Schedule
  readonly faults?: MemoryFaults
  /** Records in one delivery to a consumer. Default: 500. */
  readonly deliverMax?: number
  /**
   * Records that a local copy may miss for its member to take the partition over at once. Default:
   * the assigner's.
   */
  readonly lagMax?: number
}

/**
 * A transaction in the hand of a test, which the port's one-step commit does not show. Acts at
 * once; throws LogError.
 */
export interface HeldTransaction {
  write(records: readonly OutRecord[]): Written
  /** Moves the cursors with the transaction. */
  move(group: string, cursors: readonly Cursor[]): void
  commit(): void
  abort(): void
}

/**
 * The log itself, first client included. Controls act at once; what follows from them takes its
 * turns in the scheduler.
 */
export interface MemoryLog extends MemoryClient {
  /** Another process on the same log. */
  connect(): MemoryClient
  /** A new generation with the same members, less those that have crashed. */
  rebalance(group: string): void
  /**
   * Session timeout: the group goes on without the consumer, which receives nothing new and does
   * not know.
   */
  expelMember(consumer: LogConsumer): void
  /**
   * The heartbeat by which an expelled consumer learns of it: `onFailed` with `fenced`. A commit
   * tells it too.
   */
  noticeExpulsion(consumer: LogConsumer): void
  /** Session timeout of every consumer whose client has crashed. */
  expireSessions(): void
  /** Transaction timeout: aborted and fenced, without a new owner. */
  expireTransaction(transactionalId: string): void
  /** Fences the id and opens a transaction under it. */
  begin(transactionalId: string): HeldTransaction
  /** Retention: forgets the records below an offset. */
  trim(at: TopicPartition, below: number): void
  /**
   * An unclean change of leader: what lies at `end` and above is lost, committed or not, and the
   * offsets are given again. Answers what is gone.
   */
  truncate(at: TopicPartition, end: number): Lost
  /**
   * The topic is deleted and made again at once. Its cursors go with it, unless the coordinator has
   * not heard of it. Answers what is gone.
   */
  recreate(topic: string, cursors: 'forgotten' | 'kept'): Lost
  /** Nobody leads the partition, until somebody does. */
  lead(at: TopicPartition, isLed: boolean): void
  /**
   * Log compaction of a topic whose `cleanup.policy` contains `compact`: all of it, or what lies
   * below an offset; with its tombstones, or without them once their time is over.
   */
  compact(topic: string, how?: CompactOptions): void
  /**
   * All committed records by partition and offset, also those that an open transaction still holds
   * back from readers.
   */
  dump(topic: string): readonly LogRecord[]
  openTransactions(): readonly OpenTransaction[]
  /**
   * Calls for all records in the step in which readers can first have them, until the partition is
   * cut back or its topic made again.
   */
  follow(at: TopicPartition, onStable: (records: readonly LogRecord[]) => void): void
  /** The offset that the next record of a partition gets. */
  endOf(at: TopicPartition): number
  /** The cursors of a group as they are now, by `partitionKey`. */
  cursorsOf(group: string): ReadonlyMap<string, Cursor>
}

export interface CompactOptions {
  /** As the cleaner has not come further. Default: everything. */
  readonly below?: number
  /** Tombstones from then on stay: whoever has the row must see that it is gone. Default: none. */
  readonly tombstonesSinceMs?: number
}

const DELIVER_MAX = 500

/**
 * The log in memory, with a broker's semantics and none of its time: fencing by epochs, markers
 * that occupy offsets, a last stable offset, generations. Deterministic: what happens depends on
 * the calls, `schedule` and `faults` only.
 */
export function memoryLog(options: MemoryLogOptions = {}): MemoryLog {
  const broker = memoryBroker({
    schedule: options.schedule ?? queueMicrotask,
    late: options.late ?? options.schedule ?? queueMicrotask,
    faults: options.faults ?? {},
    deliverMax: options.deliverMax ?? DELIVER_MAX,
    lagMax: options.lagMax,
  })
  let members = 0
  const connect = (): MemoryClient =>
    memoryClient(broker, () => {
      members += 1
      return `member-${members}`
    })
  return { ...connect(), connect, ...controls(broker) }
}

function controls(broker: Broker): Omit<MemoryLog, 'connect' | keyof MemoryClient> {
  const { topics, groups, transactions } = broker
  return {
    rebalance: (group) => groups.rebalance(group),
    expelMember: (consumer) => own(consumer).expel(),
    noticeExpulsion: (consumer) => own(consumer).notice(),
    expireSessions: () => groups.expelDead(),
    expireTransaction: (transactionalId) => transactions.expire(transactionalId),
    begin: (transactionalId) => begin(broker, transactionalId),
    trim: (at, below) => topics.partition(at).trim(below),
    truncate: (at, end) => topics.partition(at).truncate(end),
    recreate: (topic, cursors) => {
      if (cursors === 'forgotten') groups.forgetCursors([topic])
      return topics.recreate(topic)
    },
    lead: (at, isLed) => topics.partition(at).lead(isLed),
    compact: (topic, how) => compact(broker, topic, how),
    dump: (topic) => topics.partitionsOf(topic).flatMap((log) => log.committed()),
    openTransactions: () => transactions.open(),
    follow: (at, onStable) => follow(topics.partition(at), onStable),
    endOf: (at) => topics.partition(at).end,
    cursorsOf: (group) => new Map(groups.cursors(group)),
  }
}

function begin({ transactions }: Broker, transactionalId: string): HeldTransaction {
  const session = transactions.fence(transactionalId)
  return {
    write: (records) => transactions.write(session, records),
    move: (group, cursors) => transactions.stage(session, { group, cursors, member: undefined }),
    commit: () => transactions.end(session, 'committed'),
    abort: () => transactions.end(session, 'aborted'),
  }
}

function compact({ topics }: Broker, topic: string, how: CompactOptions = {}): void {
  const logs = topics.partitionsOf(topic)
  if (!topics.isCompacted(topic)) throw new TypeError(`${topic} is not a compacted topic`)
  for (const log of logs) log.compact(how.below, how.tombstonesSinceMs)
}

function own(consumer: LogConsumer): MemoryConsumer {
  if (consumer instanceof MemoryConsumer) return consumer
  throw new TypeError('this consumer belongs to another log')
}
