import { backoffMs } from '../../../platform/backoff.ts'
import { partitionKey } from '../../port.ts'
import { BrokerError, OFFSET_OUT_OF_RANGE, remedyFor } from '../cluster/broker-error.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { fetchRequest } from '../codecs/fetch-request.ts'
import type { FetchedPart } from '../codecs/fetch-request.ts'
import type { FetchedRecords, OwnedPartition, OwnedPartitions } from './fetched.ts'
import type { Lane } from '../wire/broker-connections.ts'
import { ownCall } from '../wire/own-call.ts'
import { firstOffset } from '../reader.ts'
import { decodeRecords } from '../codecs/record-batch-decoder.ts'

export interface FetcherOptions {
  readonly cluster: Cluster
  readonly lane: Lane
  readonly owned: OwnedPartitions
  readonly deliver: (owned: OwnedPartition, fetched: FetchedRecords) => void
  /** Retention has removed what the partition was to go on with. */
  readonly onGap: (owned: OwnedPartition, from: number, to: number) => void
  readonly onFailed: (error: unknown) => void
  readonly onTrouble: (error: unknown) => void
}

/** One partition of a fetch under way, as it was when the fetch was sent. */
interface Wanted {
  readonly owned: OwnedPartition
  readonly turn: number
  readonly offset: number
}

/**
 * A fetch in vain comes back after this, and a partition that was resumed meanwhile has waited for
 * it. A whole answer is decoded at a stretch, so its size bounds how long nothing else runs (4 MiB:
 * about 10 ms).
 */
const LIMITS = { waitMs: 100, bytesMax: 4 * 1024 * 1024, partitionBytesMax: 1024 * 1024 }

const BACKOFF = { firstMs: 20, maxMs: 2_000, jitter: 0.2 }

const TRANSIENT = new Set(['lost', 'later', 'elsewhere'])

/** Keeps one fetch under way to every broker that leads a partition which may flow. */
export class Fetcher {
  readonly #options: FetcherOptions
  /** Brokers with a fetch under way, and with a pause after a failed one. */
  readonly #busy = new Set<number>()
  readonly #stop = new AbortController()
  #isLooking = false
  #isKicked = false
  #failures = 0
  #turns = 0

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Something may flow that did not. Calls of the same tick are one. */
  kick(): void {
    if (this.#isKicked || this.#stop.signal.aborted) return
    this.#isKicked = true
    queueMicrotask(() => {
      this.#isKicked = false
      try {
        this.#pump()
      } catch (error) {
        void this.#recover(error, [])
      }
    })
  }

  #pump(): void {
    const byLeader = new Map<number, Wanted[]>()
    const homeless = new Set<string>()
    for (const wanted of this.#wanted()) {
      const { topic, partition } = wanted.owned.at
      const leader = this.#options.cluster.knownLeader(topic, partition)
      if (leader === undefined) homeless.add(topic)
      else byLeader.set(leader, [...(byLeader.get(leader) ?? []), wanted])
    }
    for (const [nodeId, wanted] of byLeader) {
      if (!this.#busy.has(nodeId)) void this.#fetch(nodeId, wanted)
    }
    if (homeless.size > 0 && !this.#isLooking) void this.#look([...homeless])
  }

  /** What flows and has nothing left over from an earlier fetch. */
  #wanted(): readonly Wanted[] {
    const wanted: Wanted[] = []
    for (const owned of this.#rotated()) {
      if (owned.fetched !== null && this.#mayFlow(owned)) this.#release(owned, owned.fetched)
      // Delivering may have paused or sought it.
      if (owned.position === null || owned.fetched !== null || !this.#mayFlow(owned)) continue
      wanted.push({ owned, turn: owned.turn, offset: owned.position })
    }
    return wanted
  }

  /** Brokers fill an answer in the order of the question, so everybody gets to be first. */
  #rotated(): readonly OwnedPartition[] {
    const all = this.#options.owned.all()
    this.#turns += 1
    const first = this.#turns % Math.max(all.length, 1)
    return [...all.slice(first), ...all.slice(0, first)]
  }

  async #fetch(nodeId: number, wanted: readonly Wanted[]): Promise<void> {
    const { cluster, lane } = this.#options
    this.#busy.add(nodeId)
    try {
      const from = wanted.map(({ owned, offset }) => ({ ...owned.at, offset }))
      const { errorCode, parts } = await cluster.send(lane, nodeId, ownCall(fetchRequest(from, LIMITS)))
      if (errorCode !== 0) throw new BrokerError(errorCode, 'Fetch')
      const byKey = new Map(wanted.map((one) => [partitionKey(one.owned.at), one]))
      const filled = parts.filter(({ bytes }) => bytes.length > 0).length
      for (const part of parts) {
        await this.#take(byKey.get(partitionKey(part)), filled > 1 ? ownBytes(part) : part)
      }
      this.#failures = 0
    } catch (error) {
      await this.#recover(error, wanted)
    } finally {
      this.#busy.delete(nodeId)
      this.kick()
    }
  }

  /** Drops what belongs to a partition that was lost or sought since the fetch was sent. */
  async #take(wanted: Wanted | undefined, part: FetchedPart): Promise<void> {
    if (wanted === undefined || !this.#isCurrent(wanted)) return
    if (part.errorCode === OFFSET_OUT_OF_RANGE) return this.#skipGap(wanted)
    if (part.errorCode !== 0) throw new BrokerError(part.errorCode, 'Fetch', partitionKey(part))
    const { owned, offset } = wanted
    const chunk = decodeRecords(owned.at, part.bytes, offset, part.aborted)
    if (chunk.next === offset) return
    owned.position = chunk.next
    this.#handOver(owned, chunk)
  }

  #handOver(owned: OwnedPartition, fetched: FetchedRecords): void {
    if (owned.isPaused) owned.fetched = fetched
    else this.#options.deliver(owned, fetched)
  }

  async #skipGap(wanted: Wanted): Promise<void> {
    const { owned, offset } = wanted
    const { cluster, lane, onGap } = this.#options
    const start = await firstOffset(cluster, lane, owned.at, offset)
    if (!this.#isCurrent(wanted)) return
    owned.position = start
    onGap(owned, offset, start)
    // Also told when nothing is left: the owner would stand before the gap until the next record,
    // and look stuck.
    this.#handOver(owned, { records: [], next: start })
  }

  #release(owned: OwnedPartition, fetched: FetchedRecords): void {
    owned.fetched = null
    this.#options.deliver(owned, fetched)
  }

  async #look(topics: readonly string[]): Promise<void> {
    this.#isLooking = true
    try {
      await this.#options.cluster.refresh(topics)
      if (topics.every((topic) => !this.#isLed(topic))) await this.#pause()
    } catch (error) {
      await this.#recover(error, [])
    } finally {
      this.#isLooking = false
      this.kick()
    }
  }

  #isLed(topic: string): boolean {
    const held = this.#options.owned.all().filter(({ at }) => at.topic === topic)
    return held.some(({ at }) => this.#options.cluster.knownLeader(topic, at.partition) !== undefined)
  }

  /** Brokers come back, so this goes on for as long as it takes. */
  async #recover(error: unknown, wanted: readonly Wanted[]): Promise<void> {
    if (this.#stop.signal.aborted) return
    const remedy = remedyFor(error) ?? ''
    if (!TRANSIENT.has(remedy)) {
      this.stop()
      return this.#options.onFailed(error)
    }
    this.#options.onTrouble(error)
    if (remedy !== 'later') for (const { owned } of wanted) this.#options.cluster.forgetTopic(owned.at.topic)
    await this.#pause()
  }

  async #pause(): Promise<void> {
    this.#failures += 1
    const { clock } = this.#options.cluster
    await clock.sleep(backoffMs(this.#failures, { ...BACKOFF, random: clock.random }), this.#stop.signal)
  }

  #isCurrent({ owned, turn }: Wanted): boolean {
    return owned.turn === turn && this.#options.owned.has(owned) && !this.#stop.signal.aborted
  }

  #mayFlow(owned: OwnedPartition): boolean {
    return !owned.isPaused && this.#options.owned.has(owned) && !this.#stop.signal.aborted
  }
}

/**
 * Records point into the bytes of their answer: one that waits must not keep the parts of other
 * partitions in memory.
 */
const ownBytes = (part: FetchedPart): FetchedPart => ({ ...part, bytes: Buffer.from(part.bytes) })
