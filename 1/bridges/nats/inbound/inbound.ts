import type { ConsumerInfo } from '@nats-io/jetstream'
import type { InboundMirror, Mirror } from '../../../streams/contracts/subjects.ts'
import type { Topic } from '../../../streams/contracts/topic.ts'
import type { LogClient, LogWriter, OutRecord } from '../../../streams/log/port.ts'
import { backoffMs, type Sleep } from '../../../streams/platform/backoff.ts'
import type { Logger } from '../../../streams/platform/logger.ts'
import type { Instruments } from '../../instruments.ts'
import type { NatsLink } from '../../../streams/nats/link.ts'
import type { DeadLetters } from '../outbound/dead-letters.ts'
import { DurableReader, type Delivered, type DurableReaderOptions } from './durable-reader.ts'
import { INBOUND_ACK_WAIT_MS, INBOUND_BATCH_MAX } from '../durables.ts'
import { UnacknowledgedMessages } from './unacknowledged.ts'
import { inboundRecord, storedMessage, topicNamed } from './record.ts'
import { mirrorSpan } from '../spans.ts'

export interface InboundOptions {
  /** All of one durable: each takes its own subject to its own topic. */
  readonly mirrors: readonly InboundMirror[]
  readonly linkOf: (mirror: Mirror) => NatsLink
  readonly log: LogClient
  readonly deadLetters: DeadLetters
  readonly instruments: Instruments
  readonly logger: Logger
  readonly pollMs: number
  readonly now: () => number
  readonly sleep: Sleep
  readonly random: () => number
  /** Default: reads over the link. A simulation has durables of its own. */
  readonly readerOf?: (options: DurableReaderOptions) => Pick<DurableReader, 'active' | 'start' | 'close'>
}

export interface InboundBridge {
  active(): boolean
  /**
   * Stops pulling. Mirrors and acknowledges what has been delivered, as long as the log takes it.
   */
  close(): Promise<void>
}

// Everything of a batch may fall into one partition, and a broker refuses more than 1 MiB at a
// time.
const BATCH_BYTES_MAX = 800_000
/** No valid event comes near it (a command has at most 900 KiB [O9]), and the log takes no more. */
const RECORD_BYTES_MAX = 1_000_000
const RETRY = { firstMs: 100, maxMs: 10_000, jitter: 0.2 }

/**
 * Mirrors one durable to its topics, at least once [O2]: a message is acknowledged when its record
 * is durable, in the order delivered. While the log is away nothing is acknowledged and nothing
 * refused. The messages stay here, and the same batch is tried again. Every ack_wait/3 the server
 * hears that they are being worked on.
 *
 * Order: the log gets messages in stream order. A delivery that was lost with a connection comes
 * again after ack_wait, behind what was delivered in between. Only `operator.health`, read one at a
 * time, is in order even then.
 */
export function mirrorInbound(options: InboundOptions): InboundBridge {
  return new InboundLoop(options)
}

class InboundLoop implements InboundBridge {
  readonly #options: InboundOptions
  /** Names the durable: mirrors of one have the same stream. */
  readonly #mirror: InboundMirror
  readonly #topics: ReadonlyMap<string, Topic<unknown>>
  readonly #writer: LogWriter
  readonly #reader: Pick<DurableReader, 'active' | 'start' | 'close'>
  readonly #unacknowledged = new UnacknowledgedMessages<Delivered>()
  readonly #link: NatsLink
  readonly #stop = new AbortController()
  readonly #done: Promise<unknown>
  #partitions: ReadonlyMap<string, number> = new Map()
  #wake: (() => void) | undefined

  constructor(options: InboundOptions) {
    const { mirrors, linkOf, pollMs, sleep, random, logger } = options
    const [mirror] = mirrors
    if (mirror === undefined) throw new Error('an inbound bridge needs a mirror')
    const link = linkOf(mirror)
    this.#options = options
    this.#mirror = mirror
    this.#link = link
    this.#topics = new Map(mirrors.map(({ subject, topic }) => [subject, topicNamed(topic)]))
    this.#writer = options.log.writer()
    const readerOf = options.readerOf ?? ((given: DurableReaderOptions) => new DurableReader(given))
    this.#reader = readerOf({
      link,
      pollMs,
      sleep,
      random,
      logger,
      stream: mirror.stream,
      durable: mirror.durable,
      prefetch: INBOUND_BATCH_MAX,
      deliver: (message) => this.#deliver(message),
      unacknowledged: () => this.#unacknowledged.size,
      onInfo: (info) => this.#observe(info),
    })
    this.#reader.start()
    this.#done = Promise.all([this.#run(), this.#stayAlive()])
  }

  active(): boolean {
    return this.#reader.active
  }

  async close(): Promise<void> {
    await this.#reader.close()
    this.#stop.abort()
    this.#wake?.()
    await this.#done
    await this.#writer.close()
  }

  #deliver(message: Delivered): void {
    this.#unacknowledged.take(message)
    this.#wake?.()
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted || this.#unacknowledged.size > 0) {
      const batch = this.#unacknowledged.oldest(INBOUND_BATCH_MAX, BATCH_BYTES_MAX)
      if (batch.length === 0) await this.#more()
      else if (!(await this.#insist(() => this.#store(batch)))) return
      else this.#acknowledge(batch)
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
      if (this.#stop.signal.aborted || this.#unacknowledged.size > 0) this.#wake()
    })
  }

  /**
   * Repeats a step until it succeeds. False when it fails while closing: the server then delivers
   * the messages again.
   */
  async #insist(step: () => Promise<void>): Promise<boolean> {
    const { sleep, random, logger } = this.#options
    for (let attempt = 1; ; attempt += 1) {
      try {
        await step()
        return true
      } catch (error) {
        logger.warn('bridge.log_write_failed', { topic: this.#mirror.topic, attempt, error })
        await sleep(backoffMs(attempt, { ...RETRY, random }), this.#stop.signal)
        if (this.#stop.signal.aborted) return false
      }
    }
  }

  async #store(batch: readonly Delivered[]): Promise<void> {
    if (this.#partitions.size === 0) this.#partitions = await this.#countPartitions()
    const records: OutRecord[] = []
    for (const message of batch) {
      const record = this.#recordOf(message)
      if (record !== undefined && bytesOf(record) <= RECORD_BYTES_MAX) records.push(record)
      else await this.#refuse(message)
    }
    // A subject has the name of its topic here: what differs is outbound only [EV1].
    const spans = records.map((record) => mirrorSpan(record.headers ?? {}, record.topic))
    if (records.length > 0) await this.#writer.write(records)
    for (const end of spans) end()
  }

  /** Undefined for a subject that somebody else has added to the stream. */
  #recordOf(message: Delivered): OutRecord | undefined {
    const topic = this.#topics.get(message.subject)
    const partitions = topic && this.#partitions.get(topic.name)
    if (topic === undefined || partitions === undefined) return undefined
    return inboundRecord(topic, partitions, storedMessage(message), this.#options.now())
  }

  async #countPartitions(): Promise<ReadonlyMap<string, number>> {
    const { log, mirrors } = this.#options
    const found = await log.admin.partitions(mirrors.map(({ topic }) => topic))
    for (const { topic } of mirrors) if (!found.has(topic)) throw new Error(`topic ${topic} does not exist`)
    return found
  }

  async #refuse(message: Delivered): Promise<void> {
    const { deadLetters, instruments, logger } = this.#options
    const mirror = this.#mirror
    const isKnown = this.#topics.has(message.subject)
    const why = `a message of ${message.data.length} bytes is too large for the log`
    await deadLetters.write({
      sourceTopic: mirror.stream,
      sourcePartition: 0,
      sourceOffset: String(message.seq),
      key: null,
      payload: Buffer.from(message.data),
      reason: 'refused',
      errors: [{ path: '', message: isKnown ? why : 'no topic mirrors its subject' }],
    })
    instruments.deadLetters.inc({ subject: mirror.topic })
    logger.error('bridge.refused', { subject: mirror.subject, stream: mirror.stream, offset: message.seq })
  }

  #acknowledge(batch: readonly Delivered[]): void {
    const { instruments, now, mirrors } = this.#options
    for (const message of batch) this.#unacknowledged.acknowledge(message)
    for (const { subject, topic } of mirrors) {
      const count = batch.filter((message) => message.subject === subject).length
      if (count > 0) instruments.in.inc({ subject: topic }, count)
    }
    instruments.lastProgress.set({ subject: this.#mirror.topic }, now() / 1_000)
  }

  async #stayAlive(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#options.sleep(INBOUND_ACK_WAIT_MS / 3, this.#stop.signal)
      if (this.#link.connection !== undefined) this.#unacknowledged.working()
    }
  }

  #observe(info: ConsumerInfo): void {
    const { instruments, now } = this.#options
    const mirror = this.#mirror
    const lag = info.num_pending + info.num_ack_pending
    instruments.lag.set({ subject: mirror.topic }, lag)
    if (lag === 0) instruments.lastProgress.set({ subject: mirror.topic }, now() / 1_000)
    if (mirror.durable === 'dlr-processor') instruments.dlrAckPending.set(info.num_ack_pending)
  }
}

// Names and values of headers and a little framing each. An estimate is enough this far below the
// broker's limit.
const HEADER_OVERHEAD_BYTES = 16

function bytesOf(record: OutRecord): number {
  let bytes = record.value?.length ?? 0
  for (const [name, value] of Object.entries(record.headers ?? {})) {
    bytes += name.length + String(value).length + HEADER_OVERHEAD_BYTES
  }
  return bytes
}
