import { LogError, partitionKey } from '../port.ts'
import type { LogReader, LogRecord, TopicPartition } from '../port.ts'
import { BrokerError, OFFSET_OUT_OF_RANGE, remedyFor } from './cluster/broker-error.ts'
import { Attempts, PATIENT_MS_MAX } from './cluster/clock.ts'
import type { Cluster } from './cluster/cluster.ts'
import { fetchRequest } from './codecs/fetch-request.ts'
import type { FetchedPart } from './codecs/fetch-request.ts'
import type { Lane } from './wire/broker-connections.ts'
import { listBounds } from './cluster/list-bounds.ts'
import { outcomeOf } from './cluster/outcome.ts'
import { ownCall } from './wire/own-call.ts'
import { decodeRecords } from './codecs/record-batch-decoder.ts'

interface Limits {
  readonly bytesMax: number
  readonly waitMs: number
}

interface Read {
  readonly records: readonly LogRecord[]
  readonly next: number
  readonly end: number
}

/** Beyond the wait that the caller asks for. */
const READ_WITHIN_MS = 30_000

const AGAIN = new Set(['lost', 'later', 'elsewhere'])

/**
 * Reads with connections of its own, because a broker answers the requests of a connection in turn
 * and holds a fetch back until there is something. Below the first retained offset reading goes on
 * there; beyond the end it is `fatal`: the log is not the one that the offset came from.
 */
export class KafkaReader implements LogReader {
  readonly #cluster: Cluster
  readonly #lane: Lane
  #closed = false

  constructor(cluster: Cluster, lane: Lane) {
    this.#cluster = cluster
    this.#lane = lane
  }

  async read(at: TopicPartition, offset: number, limits: Limits): Promise<Read> {
    if (this.#closed) throw new LogError('fatal', 'the reader is closed')
    const attempts = new Attempts(
      this.#cluster.clock,
      this.#cluster.clock.now() + limits.waitMs + READ_WITHIN_MS,
      PATIENT_MS_MAX,
    )
    for (;;) {
      try {
        return await this.#read(at, offset, limits)
      } catch (error) {
        const remedy = remedyFor(error) ?? ''
        if (!AGAIN.has(remedy) || !(await attempts.another())) throw outcomeOf(error)
        if (remedy !== 'later') this.#cluster.forgetTopic(at.topic)
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#cluster.closeLane(this.#lane)
  }

  async #read(at: TopicPartition, offset: number, limits: Limits): Promise<Read> {
    const part = await this.#fetch(at, offset, limits)
    if (part.errorCode === OFFSET_OUT_OF_RANGE) return this.#readFromStart(at, offset, limits)
    return decoded(at, offset, part)
  }

  async #readFromStart(at: TopicPartition, offset: number, limits: Limits): Promise<Read> {
    const start = await firstOffset(this.#cluster, this.#lane, at, offset)
    return decoded(at, start, await this.#fetch(at, start, limits))
  }

  async #fetch(at: TopicPartition, offset: number, { bytesMax, waitMs }: Limits): Promise<FetchedPart> {
    const nodeId = await this.#cluster.leaderOf(at.topic, at.partition)
    const limits = { waitMs, bytesMax, partitionBytesMax: bytesMax }
    const call = ownCall(fetchRequest([{ ...at, offset }], limits))
    const { errorCode, parts } = await this.#cluster.send(this.#lane, nodeId, call)
    const [part] = parts
    if (errorCode !== 0 || part === undefined) throw new BrokerError(errorCode, 'Fetch', partitionKey(at))
    return part
  }
}

function decoded(at: TopicPartition, offset: number, part: FetchedPart): Read {
  if (part.errorCode !== 0) throw new BrokerError(part.errorCode, 'Fetch', partitionKey(at))
  const { records, next } = decodeRecords(at, part.bytes, offset, part.aborted)
  return { records, next, end: part.lastStableOffset }
}

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
