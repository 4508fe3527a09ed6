import { backoffMs } from '../../../platform/backoff.ts'
import { LogError, partitionKey } from '../../port.ts'
import {
  BrokerError,
  CORRUPT_MESSAGE,
  LEADER_NOT_AVAILABLE,
  NETWORK_EXCEPTION,
  OFFSET_OUT_OF_RANGE,
  remedyFor,
} from '../cluster/broker-error.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { fetchRequest } from '../codecs/fetch-request.ts'
import type { FetchedPart } from '../codecs/fetch-request.ts'
import { UnreadableBatch, decodeRecords } from '../codecs/record-batch-decoder.ts'
import type { Decoded } from '../codecs/record-batch-decoder.ts'
import type { FetchedRecords, OwnedPartition, OwnedPartitions } from './fetched.ts'
import type { Lane } from '../wire/broker-connections.ts'
import { ownCall } from '../wire/own-call.ts'
import { firstOffset } from '../reader.ts'
import { FETCH_BACKOFF, Setbacks, TRANSIENT } from './setbacks.ts'
import { cutBackSentence, findCutBack, mayBeCutBack } from './truncation.ts'

export interface FetcherOptions {
  readonly cluster: Cluster
  readonly lane: Lane
  readonly owned: OwnedPartitions
  readonly deliver: (owned: OwnedPartition, fetched: FetchedRecords) => void
  /** Retention has removed what the partition was to go on with. */
  readonly onGap: (owned: OwnedPartition, from: number, to: number) => void
  /** One partition cannot be read on until it is sought. */
  readonly onStopped: (owned: OwnedPartition, error: LogError) => void
  readonly onFailed: (error: unknown) => void
  readonly onTrouble: (error: unknown) => void
}

/** One partition of a fetch under way, as it was when the fetch was sent. */
interface Wanted {
  readonly owned: OwnedPartition
  readonly turn: number
  readonly offset: number
  readonly leaderEpoch: number
}

/**
 * A whole answer is decoded at a stretch, so its size bounds how long nothing else runs (4 MiB:
 * about 10 ms).
 */
const LIMITS = { bytesMax: 4 * 1024 * 1024, partitionBytesMax: 1024 * 1024 }

/** After this a fetch in vain comes back. Most of what an idle broker does is to answer them. */
const WAIT_MS = 500
/** A partition that is resumed or sought meanwhile waits for it. */
const SHORT_WAIT_MS = 100

/** Keeps one fetch under way to every broker that leads a partition which may flow. */
export class Fetcher {
  readonly #options: FetcherOptions
  /** Brokers with a fetch under way, and with a pause after a failed one. */
  readonly #busy = new Set<number>()
  /** Failures in a row, by broker; those of finding leaders under their own key. */
  readonly #failures = new Map<number | 'metadata', number>()
  readonly #stop = new AbortController()
  readonly #setbacks: Setbacks
  #isLooking = false
  #isKicked = false
  #turns = 0

  constructor(options: FetcherOptions) {
    this.#options = options
    const { cluster, onStopped, onTrouble } = options
    const { signal } = this.#stop
    this.#setbacks = new Setbacks({ cluster, signal, onStopped, onTrouble, onRested: () => this.kick() })
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
        this.#fail(error)
      }
    })
  }

  #pump(): void {
    const byLeader = new Map<number, Wanted[]>()
    const homeless: OwnedPartition[] = []
    for (const { owned, offset } of this.#wanted()) {
      const { topic, partition } = owned.at
      const known = this.#options.cluster.knownLeadership(topic, partition)
      if (known === undefined) homeless.push(owned)
      else {
        const wanted = { owned, turn: owned.turn, offset, leaderEpoch: known.leaderEpoch }
        byLeader.set(known.leader, [...(byLeader.get(known.leader) ?? []), wanted])
      }
    }
    for (const [nodeId, wanted] of byLeader) {
      if (!this.#busy.has(nodeId)) void this.#fetch(nodeId, wanted)
    }
    if (homeless.length > 0 && !this.#isLooking) void this.#look(homeless)
  }

  /** What flows and has nothing left over from an earlier fetch. */
  #wanted(): readonly { readonly owned: OwnedPartition; readonly offset: number }[] {
    const wanted: { owned: OwnedPartition; offset: number }[] = []
    for (const owned of this.#rotated()) {
      if (owned.fetched !== null && this.#mayFlow(owned)) this.#release(owned, owned.fetched)
      // Delivering may have paused or sought it.
      if (owned.position === null || owned.fetched !== null || !this.#mayFlow(owned)) continue
      if (!owned.isStopped && !owned.isResting) wanted.push({ owned, offset: owned.position })
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

  async #fetch(nodeId: number, all: readonly Wanted[]): Promise<void> {
    const { cluster, lane } = this.#options
    this.#busy.add(nodeId)
    try {
      const wanted = await this.#withoutCutBack(nodeId, all)
      if (wanted.length === 0) return
      const from = wanted.map(({ owned, offset, leaderEpoch }) => ({ ...owned.at, offset, leaderEpoch }))
      const { errorCode, parts } = await cluster.send(
        lane,
        nodeId,
        ownCall(fetchRequest(from, { ...LIMITS, waitMs: this.#waitMs() })),
      )
      if (errorCode !== 0) throw new BrokerError(errorCode, 'Fetch')
      this.#failures.delete(nodeId)
      const byKey = new Map(wanted.map((one) => [partitionKey(one.owned.at), one]))
      const filled = parts.filter(({ bytes }) => bytes.length > 0).length
      for (const part of parts)
        await this.#take(byKey.get(partitionKey(part)), filled > 1 ? ownBytes(part) : part)
    } catch (error) {
      await this.#recover(error, nodeId, all)
    } finally {
      this.#busy.delete(nodeId)
      this.kick()
    }
  }

  #waitMs(): number {
    const mayJoinSoon = this.#options.owned.all().some((one) => one.isPaused || one.position === null)
    return mayJoinSoon ? SHORT_WAIT_MS : WAIT_MS
  }

  /** Without those of which the leader no longer has all that was read. */
  async #withoutCutBack(nodeId: number, wanted: readonly Wanted[]): Promise<readonly Wanted[]> {
    const doubtful = new Set(
      wanted.filter(({ owned, leaderEpoch }) => mayBeCutBack(owned.readIn, owned.epoch, leaderEpoch)),
    )
    if (doubtful.size === 0) return wanted
    const { cluster, lane } = this.#options
    const places = [...doubtful].map(({ owned: { at, epoch }, offset, leaderEpoch }) => {
      return { ...at, offset, leaderEpoch, epoch }
    })
    const found = await findCutBack(cluster, lane, nodeId, places)
    return wanted.filter((one) => !doubtful.has(one) || this.#isWhole(one, found))
  }

  #isWhole(wanted: Wanted, found: Awaited<ReturnType<typeof findCutBack>>): boolean {
    if (!this.#isCurrent(wanted)) return false
    const { owned, offset, leaderEpoch } = wanted
    const key = partitionKey(owned.at)
    const cut = found.has(key) ? found.get(key) : new BrokerError(NETWORK_EXCEPTION, 'OffsetForLeaderEpoch')
    if (cut === undefined) owned.readIn = leaderEpoch
    else if (cut instanceof BrokerError) this.#setbacks.error(owned, cut)
    else this.#setbacks.stop(owned, cutBackSentence(key, cut.end, offset))
    return cut === undefined
  }

  /** Drops what belongs to a partition that was lost or sought since the fetch was sent. */
  async #take(wanted: Wanted | undefined, part: FetchedPart): Promise<void> {
    if (wanted === undefined || !this.#isCurrent(wanted)) return
    const { owned, offset, leaderEpoch } = wanted
    const { errorCode } = part
    if (errorCode === OFFSET_OUT_OF_RANGE) return this.#skipGap(wanted)
    if (errorCode !== 0) {
      const error = new BrokerError(errorCode, 'Fetch', partitionKey(part))
      if (errorCode === CORRUPT_MESSAGE) return this.#setbacks.doubt(owned, error.message)
      return this.#setbacks.error(owned, error)
    }
    const read = this.#decode(wanted, part)
    if (read === undefined) return
    owned.advance(read.next, read.epoch, leaderEpoch)
    if (read.next !== offset) this.#handOver(owned, read)
  }

  #decode({ owned, offset }: Wanted, { bytes, aborted }: FetchedPart): Decoded | undefined {
    try {
      return decodeRecords(owned.at, bytes, offset, aborted)
    } catch (error) {
      if (!(error instanceof UnreadableBatch)) throw error
      if (error.kind === 'foreign') this.#setbacks.stop(owned, error.message)
      else this.#setbacks.doubt(owned, error.message)
      return undefined
    }
  }

  #handOver(owned: OwnedPartition, fetched: FetchedRecords): void {
    if (owned.isPaused) owned.fetched = fetched
    else this.#options.deliver(owned, fetched)
  }

  async #skipGap(wanted: Wanted): Promise<void> {
    const { owned, offset } = wanted
    const { cluster, lane, onGap } = this.#options
    let start: number
    try {
      start = await firstOffset(cluster, lane, owned.at, offset)
    } catch (error) {
      if (!this.#isCurrent(wanted)) return
      if (error instanceof LogError) return this.#setbacks.doubt(owned, error.message)
      return this.#setbacks.error(owned, error)
    }
    if (!this.#isCurrent(wanted)) return
    owned.seek(start)
    onGap(owned, offset, start)
    // Also told when nothing is left: the owner would stand before the gap until the next record,
    // and look stuck.
    this.#handOver(owned, { records: [], next: start })
  }

  #release(owned: OwnedPartition, fetched: FetchedRecords): void {
    owned.fetched = null
    this.#options.deliver(owned, fetched)
  }

  /** A partition that still has no leader waits longer each time, and holds up no other. */
  async #look(homeless: readonly OwnedPartition[]): Promise<void> {
    const { cluster } = this.#options
    this.#isLooking = true
    try {
      await cluster.refresh([...new Set(homeless.map(({ at }) => at.topic))])
      this.#failures.delete('metadata')
      const left = homeless.filter(({ at }) => cluster.knownLeader(at.topic, at.partition) === undefined)
      const [first] = left
      if (first === undefined) return
      this.#options.onTrouble(new BrokerError(LEADER_NOT_AVAILABLE, 'Metadata', partitionKey(first.at)))
      this.#setbacks.rest(left)
    } catch (error) {
      await this.#recover(error, 'metadata', [])
    } finally {
      this.#isLooking = false
      this.kick()
    }
  }

  /** Brokers come back, so this goes on for as long as it takes. */
  async #recover(error: unknown, from: number | 'metadata', wanted: readonly Wanted[]): Promise<void> {
    if (this.#stop.signal.aborted) return
    const remedy = remedyFor(error) ?? ''
    if (!TRANSIENT.has(remedy)) return this.#fail(error)
    this.#options.onTrouble(error)
    if (remedy !== 'later') for (const { owned } of wanted) this.#options.cluster.forgetTopic(owned.at.topic)
    const failures = (this.#failures.get(from) ?? 0) + 1
    this.#failures.set(from, failures)
    await this.#pause(failures)
  }

  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return
    this.stop()
    this.#options.onFailed(error)
  }

  async #pause(failures: number): Promise<void> {
    const { clock } = this.#options.cluster
    await clock.sleep(backoffMs(failures, { ...FETCH_BACKOFF, random: clock.random }), this.#stop.signal)
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
