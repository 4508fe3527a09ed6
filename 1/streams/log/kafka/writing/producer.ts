import { partitionKey } from '../../port.ts'
import type { PartitionBatch, Round } from './batches.ts'
import { remedyFor } from '../cluster/broker-error.ts'
import { Attempts, URGENT_MS_MAX } from '../cluster/clock.ts'
import type { Brokers } from '../cluster/cluster.ts'
import type { Lane } from '../wire/broker-connections.ts'
import type { ProducerIdentity } from '../codecs/produce-request.ts'
import { sendRound } from './send-round.ts'
import type { Sending, Sent } from './send-round.ts'

/** Sequences are 31 bits and wrap. kafkajs starts over at 0 instead, which the broker refuses. */
export const nextSequence = (sequence: number, count: number): number => (sequence + count) % 2 ** 31

/**
 * Repetition may cure these; giving up on one leaves open whether the broker has appended the
 * batch.
 */
const AGAIN = new Set(['lost', 'later', 'elsewhere'])

/** Epochs have 15 bits. */
const EPOCH_MAX = 32_767

/** Told of every batch that is durable, with the offset of its first record. */
export type OnAppended = (batch: PartitionBatch, baseOffset: number) => void

/**
 * One producer id in one epoch: writes batches so that a repetition is no duplicate. One `produce`
 * at a time.
 */
export class Producer {
  readonly identity: ProducerIdentity
  readonly #cluster: Brokers
  readonly #lane: Lane
  readonly #sequences = new Map<string, number>()
  #outOfStep = false
  #inDoubt = false
  #mayArriveLate = false

  constructor(cluster: Brokers, lane: Lane, identity: ProducerIdentity) {
    this.#cluster = cluster
    this.#lane = lane
    this.identity = identity
  }

  /**
   * Our sequences and the broker's have parted: only another epoch, or another producer id, may go
   * on.
   */
  get isOutOfStep(): boolean {
    return this.#outOfStep
  }

  /** A batch that was given up on may have been appended all the same. */
  get isInDoubt(): boolean {
    return this.#inDoubt
  }

  /**
   * An answer was lost, so that request may still be on its way. Within this epoch it does no harm
   * beside its own repetition, which has the same sequence: the broker takes one of them. After a
   * batch has been given up on, it would be taken as that batch.
   */
  get mayArriveLate(): boolean {
    return this.#mayArriveLate
  }

  /**
   * The same producer id in the next epoch, with sequences from 0; undefined after the last epoch.
   * Only for writers without transactions, who raise their epoch themselves (KIP-360): a partition
   * that has seen the new epoch refuses what arrives late from the old one.
   */
  raised(): Producer | undefined {
    const { epoch } = this.identity
    if (epoch >= EPOCH_MAX) return undefined
    return new Producer(this.#cluster, this.#lane, { ...this.identity, epoch: epoch + 1 })
  }

  /**
   * Resolves when all are durable. `onAppended` has heard of those that are, also when this rejects
   * for others.
   */
  async produce(rounds: readonly Round[], deadline: number, onAppended: OnAppended): Promise<void> {
    for (const round of rounds) await this.#produceRound(round, deadline, onAppended)
  }

  async #produceRound(round: Round, deadline: number, onAppended: OnAppended): Promise<void> {
    const attempts = new Attempts(this.#cluster.clock, deadline, URGENT_MS_MAX)
    let left = round.map((batch) => this.#sending(batch))
    for (let isFirst = true; ; isFirst = false) {
      const { offsets, errors } = await sendRound(this.#cluster, this.#lane, this.identity, left)
      for (const [{ batch, key, firstSequence }, offset] of offsets) {
        this.#sequences.set(key, nextSequence(firstSequence, batch.records.length))
        onAppended(batch, offset)
      }
      left = left.filter((sending) => !offsets.has(sending))
      this.#mayArriveLate ||= [...errors.values()].some((error) => remedyFor(error) === 'lost')
      if (left.length === 0) return
      const final = [...errors.values()].find((error) => !AGAIN.has(remedyFor(error) ?? ''))
      if (final !== undefined || !(await attempts.another())) throw this.#giveUp(errors, final, isFirst)
    }
  }

  #sending(batch: PartitionBatch): Sending {
    const key = partitionKey(batch)
    return { batch, key, firstSequence: this.#sequences.get(key) ?? 0 }
  }

  #giveUp(errors: Sent['errors'], final: unknown, isFirst: boolean): unknown {
    for (const error of errors.values()) {
      const remedy = remedyFor(error) ?? ''
      const isOpen = AGAIN.has(remedy)
      this.#outOfStep ||= isOpen || remedy === 'out-of-step'
      this.#inDoubt ||= isOpen || (remedy === 'out-of-step' && !isFirst)
    }
    return final ?? errors.values().next().value
  }
}
