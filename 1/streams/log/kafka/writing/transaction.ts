import { LogError, OutdatedError } from '../../port.ts'
import type { Cursor, Membership } from '../../port.ts'
import type { Round } from './batches.ts'
import {
  BrokerError,
  ILLEGAL_GENERATION,
  INVALID_TXN_STATE,
  UNKNOWN_MEMBER_ID,
} from '../cluster/broker-error.ts'
import { Coordinator } from '../cluster/coordinator.ts'
import type { Brokers } from '../cluster/cluster.ts'
import type { Lane } from '../wire/broker-connections.ts'
import { ownCall } from '../wire/own-call.ts'
import type { OwnRequest } from '../wire/own-call.ts'
import { offsetsPayload } from '../codecs/offset-commit-request.ts'
import {
  addOffsetsRequest,
  addPartitionsRequest,
  endTxnRequest,
  txnOffsetCommitRequest,
} from '../codecs/transaction-requests.ts'
import type {
  CodedAnswer,
  EndTxnAnswer,
  Spokesman,
  TransactionProtocol,
} from '../codecs/transaction-requests.ts'
import type { Producer } from './producer.ts'

interface TransactionOptions {
  readonly cluster: Brokers
  readonly lane: Lane
  readonly transactionalId: string
  readonly coordinator: Coordinator
  readonly producer: Producer
  /** After which nothing is repeated any more. */
  readonly deadline: number
}

/** Under which the next transaction goes on, when the end of this one has said so. */
export type Successor = EndTxnAnswer['next']

/** What the caller's `CursorMove` came to. */
export interface StagedCursors {
  readonly group: string
  readonly member: Membership | undefined
  readonly cursors: readonly Cursor[]
}

const GONE_ON = new Set([ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID])

/** Nothing of it may still be on its way when the caller aborts. */
async function allOver(requests: readonly Promise<void>[]): Promise<void> {
  for (const one of await Promise.allSettled(requests)) if (one.status === 'rejected') throw one.reason
}

/**
 * An abort is worth more patience than a commit: without it the partitions stay blocked until the
 * transaction times out.
 */
const ABORT_WITHIN_MS = 10_000

/**
 * The requests of one transaction. Who may call which when is `transactions.ts`'s concern.
 *
 * All of them are repeated within the epoch until the deadline when an answer is lost. That is safe
 * as long as this transaction is the last one of its epoch: adding is adding to a set, a batch
 * keeps its sequence, cursors are the same cursors again, and a transaction that has ended one way
 * answers a second end of the same kind like the first. It is not safe beyond: the first attempt
 * may arrive when the next transaction is open, and then it ends, or fills, that one. So after a
 * lost answer `mayArriveLate` holds, and no other transaction may begin in this epoch [F6].
 */
export class Transaction {
  readonly #options: TransactionOptions
  readonly #protocol: TransactionProtocol
  /** Whether the coordinator may know of this transaction, and whether it does. */
  #mayBeOpen = false
  #isOpen = false
  /** Groups that the coordinator knows of. */
  readonly #groups = new Set<string>()
  #mayArriveLate = false

  constructor(options: TransactionOptions) {
    this.#options = options
    this.#protocol = options.producer.identity.protocol ?? 1
  }

  get deadline(): number {
    return this.#options.deadline
  }

  get mayBeOpen(): boolean {
    return this.#mayBeOpen
  }

  /** A request of this transaction may still be on its way: an answer was lost. */
  get mayArriveLate(): boolean {
    return this.#mayArriveLate || this.#options.producer.mayArriveLate
  }

  /**
   * Tells the coordinator what takes part, where writing does not tell it. Both requests at once:
   * they go to the same broker, which takes them in turn.
   */
  async open(rounds: readonly Round[], groups: readonly string[]): Promise<void> {
    this.#mayBeOpen = true
    if (this.#protocol === 2) return
    await allOver([this.#addPartitions(rounds), ...groups.map((group) => this.#addOffsets(group))])
  }

  /** A batch is durable, so the coordinator knows of the transaction. */
  noteAppended(): void {
    this.#isOpen = true
  }

  /** Of all groups at once: each has a coordinator of its own. */
  async moveCursors(staged: readonly StagedCursors[]): Promise<void> {
    const moving = staged.filter(({ cursors }) => cursors.length > 0)
    if (moving.length === 0) return
    this.#mayBeOpen = true
    await allOver(moving.map((one) => this.#move(one)))
  }

  async #move({ group, member, cursors }: StagedCursors): Promise<void> {
    const { cluster, lane, deadline } = this.#options
    if (group === '') throw new LogError('fatal', 'cursors need a group')
    if (this.#protocol === 1 && !this.#groups.has(group)) await this.#addOffsets(group)
    const move = { group, member, topics: offsetsPayload(cursors, (at) => cluster.held.epochOf(group, at)) }
    const request = txnOffsetCommitRequest(this.#spokesman(), move, this.#protocol)
    try {
      await this.#ask(request, deadline, new Coordinator(cluster, lane, 'group', group))
    } catch (error) {
      throw error instanceof BrokerError && GONE_ON.has(error.code) ? new OutdatedError(group, error) : error
    }
    this.#isOpen = true
  }

  commit(): Promise<Successor> {
    return this.#end(true, this.#options.deadline)
  }

  /** Resolves when nothing that has arrived of the transaction can become visible any more. */
  async abort(): Promise<Successor> {
    try {
      return await this.#end(false, this.#options.cluster.clock.now() + ABORT_WITHIN_MS)
    } catch (error) {
      if (this.#isOpen || !(error instanceof BrokerError) || error.code !== INVALID_TXN_STATE) throw error
      // There is none to abort: what should have opened it was refused, or has not arrived yet.
      return undefined
    }
  }

  async #end(isCommit: boolean, deadline: number): Promise<Successor> {
    const request = endTxnRequest(this.#spokesman(), isCommit, this.#protocol)
    return (await this.#ask(request, deadline)).next
  }

  async #addPartitions(rounds: readonly Round[]): Promise<void> {
    // A partition's first batch is in the first round.
    const topics = new Map<string, number[]>()
    for (const { topic, partition } of rounds[0] ?? []) {
      const partitions = topics.get(topic)
      if (partitions === undefined) topics.set(topic, [partition])
      else partitions.push(partition)
    }
    await this.#ask(addPartitionsRequest(this.#spokesman(), topics), this.#options.deadline)
    this.#isOpen = true
  }

  async #addOffsets(group: string): Promise<void> {
    await this.#ask(addOffsetsRequest(this.#spokesman(), group), this.#options.deadline)
    this.#isOpen = true
    this.#groups.add(group)
  }

  #ask<Answer extends CodedAnswer>(
    request: OwnRequest<Answer>,
    deadline: number,
    coordinator = this.#options.coordinator,
  ): Promise<Answer> {
    return coordinator.ask(
      {
        name: request.apiName,
        call: ownCall(request),
        codeOf: ({ errorCode }) => errorCode,
        onLost: () => {
          this.#mayArriveLate = true
        },
      },
      deadline,
    )
  }

  #spokesman(): Spokesman {
    const { producerId, epoch } = this.#options.producer.identity
    return { transactionalId: this.#options.transactionalId, producerId, epoch }
  }
}
