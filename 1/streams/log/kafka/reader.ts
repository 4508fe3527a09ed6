import { LogError, partitionKey } from '../port.ts'
import type { LogReader, LogRecord, TopicPartition } from '../port.ts'
import { BrokerError, NETWORK_EXCEPTION, OFFSET_OUT_OF_RANGE, remedyFor } from './cluster/broker-error.ts'
import { Attempts, PATIENT_MS_MAX } from './cluster/clock.ts'
import type { Cluster } from './cluster/cluster.ts'
import { fetchRequest } from './codecs/fetch-request.ts'
import type { FetchedPart } from './codecs/fetch-request.ts'
import type { Lane } from './wire/broker-connections.ts'
import { listBounds } from './cluster/list-bounds.ts'
import { outcomeOf } from './cluster/outcome.ts'
import { ownCall } from './wire/own-call.ts'
import { UnreadableBatch, decodeRecords } from './codecs/record-batch-decoder.ts'
import { cutBackSentence, findCutBack, mayBeCutBack } from './reading/truncation.ts'

interface Limits {
  readonly bytesMax: number
  readonly waitMs: number
}

interface Read {
  readonly records: readonly LogRecord[]
  readonly next: number
  readonly end: number
}

/** How far the reads of a partition have come, in which epochs of its leader. */
interface Place {
  readonly next: number
  /** Under which the last batch was written. */
  readonly epoch: number
  /** In which it was read. */
  readonly readIn: number
}

/** Beyond the wait that the caller asks for. */
const READ_WITHIN_MS = 30_000

const AGAIN = new Set(['lost', 'later', 'elsewhere'])

/** A damaged batch may arrive whole the next time. */
const DAMAGES_MAX = 5

/**
 * Reads with connections of its own, because a broker answers the requests of a connection in turn
 * and holds a fetch back until there is something. Below the first retained offset reading goes on
 * there; beyond the end it is `fatal`: the log is not the one that the offset came from. So it is
 * when the log was cut back below what this reader has read.
 */
export class KafkaReader implements LogReader {
  readonly #cluster: Cluster
  readonly #lane: Lane
  /** By `partitionKey`: no more than partitions that are read. */
  readonly #places = new Map<string, Place>()
  #closed = false

  constructor(cluster: Cluster, lane: Lane) {
    this.#cluster = cluster
    this.#lane = lane
  }

  async read(at: TopicPartition, offset: number, limits: Limits): Promise<Read> {
    if (this.#closed) throw new LogError('fatal', 'the reader is closed')
    const { clock } = this.#cluster
    const attempts = new Attempts(clock, clock.now() + limits.waitMs + READ_WITHIN_MS, PATIENT_MS_MAX)
    for (let damages = 0; ; ) {
      try {
        return await this.#read(at, offset, limits)
      } catch (error) {
        const isDamaged = error instanceof UnreadableBatch && error.kind === 'damaged'
        if (isDamaged) damages += 1
        const mayAgain = isDamaged ? damages < DAMAGES_MAX : AGAIN.has(remedyFor(error) ?? '')
        if (!mayAgain || !(await attempts.another())) throw readError(error)
        if (remedyFor(error) !== 'later') this.#cluster.forgetTopic(at.topic)
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#cluster.closeLane(this.#lane)
  }

  async #read(at: TopicPartition, offset: number, limits: Limits): Promise<Read> {
    const nodeId = await this.#cluster.leaderOf(at.topic, at.partition)
    const leaderEpoch = this.#cluster.knownLeadership(at.topic, at.partition)?.leaderEpoch ?? NO_EPOCH
    const place = await this.#soundPlace(at, offset, nodeId, leaderEpoch)
    const part = await this.#fetch(nodeId, { ...at, offset, leaderEpoch }, limits)
    if (part.errorCode === OFFSET_OUT_OF_RANGE) {
      const start = await firstOffset(this.#cluster, this.#lane, at, offset)
      return this.#read(at, start, limits)
    }
    if (part.errorCode !== 0) throw new BrokerError(part.errorCode, 'Fetch', partitionKey(at))
    const { records, next, epoch } = decodeRecords(at, part.bytes, offset, part.aborted)
    const known = { next, epoch: epoch < 0 ? (place?.epoch ?? NO_EPOCH) : epoch, readIn: leaderEpoch }
    this.#places.set(partitionKey(at), known)
    return { records, next, end: part.lastStableOffset }
  }

  /** Where the read before ended, if this one goes on there. Throws when the log was cut back. */
  async #soundPlace(
    at: TopicPartition,
    offset: number,
    nodeId: number,
    leaderEpoch: number,
  ): Promise<Place | undefined> {
    const key = partitionKey(at)
    const place = this.#places.get(key)
    if (place?.next !== offset) return undefined
    const { epoch, readIn } = place
    if (!mayBeCutBack(readIn, epoch, leaderEpoch)) return place
    const question = { ...at, offset, leaderEpoch, epoch }
    const found = await findCutBack(this.#cluster, this.#lane, nodeId, [question])
    const cut = found.has(key) ? found.get(key) : new BrokerError(NETWORK_EXCEPTION, 'OffsetForLeaderEpoch')
    if (cut === undefined) return place
    throw cut instanceof BrokerError ? cut : new LogError('fatal', cutBackSentence(key, cut.end, offset))
  }

  async #fetch(
    nodeId: number,
    from: TopicPartition & { readonly offset: number; readonly leaderEpoch: number },
    { bytesMax, waitMs }: Limits,
  ): Promise<FetchedPart> {
    const call = ownCall(fetchRequest([from], { waitMs, bytesMax, partitionBytesMax: bytesMax }))
    const { errorCode, parts } = await this.#cluster.send(this.#lane, nodeId, call)
    const [part] = parts
    if (errorCode !== 0 || part === undefined) throw new BrokerError(errorCode, 'Fetch', partitionKey(from))
    return part
  }
}

const NO_EPOCH = -1

const readError = (error: unknown): unknown =>
  error instanceof UnreadableBatch ? new LogError('fatal', error.message, error) : outcomeOf(error)

/**
 * Where to go on instead of an offset that is out of range. Throws `fatal` when that lies beyond
 * the end.
 */
export async function firstOffset(
  cluster: Cluster,
  lane: Lane,
  at: TopicPartition,
  offset: number,
): Promise<number> {
  const bounds = await listBounds(cluster, lane, [at])
  const start = bounds.get(partitionKey(at))?.start ?? 0
  if (offset < start) return start
  throw new LogError('fatal', `${partitionKey(at)} ends before ${offset}`)
}
