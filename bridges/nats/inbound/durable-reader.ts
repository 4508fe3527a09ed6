import type { Consumer, ConsumerInfo, ConsumerMessages, JsMsg } from '@nats-io/jetstream'
import { backoffMs, type Sleep } from '../../../streams/platform/backoff.ts'
import type { Logger } from '../../../streams/platform/logger.ts'
import { jetstreamOf, type NatsLink } from '../../../streams/nats/link.ts'

/** What is used of a message that a durable delivers. */
export type Delivered = Pick<
  JsMsg,
  'seq' | 'subject' | 'timestampNanos' | 'data' | 'headers' | 'ack' | 'working'
>

export interface DurableReaderOptions {
  readonly link: NatsLink
  readonly stream: string
  readonly durable: string
  /**
   * Messages asked for ahead; what may really be on its way is bounded by the durable's
   * `max_ack_pending`.
   */
  readonly prefetch: number
  readonly deliver: (message: Delivered) => void
  /**
   * Messages delivered and not yet acknowledged. While there are any, it is no fault that no more
   * come.
   */
  readonly unacknowledged: () => number
  readonly onInfo: (info: ConsumerInfo) => void
  readonly pollMs: number
  readonly sleep: Sleep
  readonly random: () => number
  readonly logger: Logger
}

const RETRY = { firstMs: 200, maxMs: 30_000, jitter: 0.2 }
const HEARTBEAT_MS = 5_000
/**
 * Two at a time. NATS 2.9 drops a pull without a word when a message comes at the instant of its
 * expiry, and gives the message to the next one that waits (ADR 0048). They must not expire
 * together: while nothing comes that is once in ten minutes here, and never to the millisecond.
 */
const PULLS_EXPIRE_MS = [30_000, 19_000] as const
const STALLED_POLLS = 3
const FAULTS = new Set([
  'consumer_not_found',
  'stream_not_found',
  'consumer_deleted',
  'no_responders',
  'exceeded_limits',
])

/**
 * Reads one pull durable for as long as it is open. Server and client have bugs by which a pull
 * consumer stops delivering while it looks healthy. So every fault that the client notices makes it
 * start over, and so does a durable that has messages and delivers none.
 */
export class DurableReader {
  readonly #options: DurableReaderOptions
  readonly #stop = new AbortController()
  #answering = false
  /** Pulls from which nothing has been heard for two heartbeats. */
  readonly #silent = new Set<number>()
  #delivered = 0
  #done: Promise<void> = Promise.resolve()

  constructor(options: DurableReaderOptions) {
    this.#options = options
  }

  /** The server knows the durable, and we are pulling from it. */
  get active(): boolean {
    return this.#answering && this.#options.link.connection !== undefined
  }

  start(): void {
    this.#done = this.#run()
  }

  /** Afterwards nothing is delivered any more. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { link, sleep, random, logger, stream, durable } = this.#options
    for (let attempt = 1; !this.#stop.signal.aborted; attempt += 1) {
      await link.whenConnected(this.#stop.signal)
      if (this.#stop.signal.aborted) return
      const before = this.#delivered
      const reason = await this.#readUntilOver().catch((error: unknown) => error)
      this.#answering = false
      if (this.#stop.signal.aborted) return
      if (this.#delivered > before) attempt = 1
      const failed = typeof reason === 'string' ? { reason } : { error: reason }
      logger.warn('bridge.consumer_restarted', { stream, durable, attempt, ...failed })
      await sleep(backoffMs(attempt, { ...RETRY, random }), this.#stop.signal)
    }
  }

  async #readUntilOver(): Promise<string> {
    const { link, stream, durable, prefetch, deliver } = this.#options
    const client = jetstreamOf(link)
    const consumer = await client.consumers.get(stream, durable)
    this.#silent.clear()
    // The server gives each message to one of them, and they share a connection: its order stays.
    const pulls = await Promise.all(
      PULLS_EXPIRE_MS.map((expires, at) =>
        consumer.consume({
          max_messages: Math.ceil(prefetch / PULLS_EXPIRE_MS.length),
          expires,
          idle_heartbeat: HEARTBEAT_MS,
          callback: (message) => {
            this.#delivered += 1
            this.#silent.delete(at)
            deliver(message)
          },
        }),
      ),
    )
    this.#answering = true
    try {
      return await this.#watch(consumer, pulls)
    } finally {
      await Promise.all(pulls.map((messages) => messages.close()))
    }
  }

  /** Resolves with the reason to start over. */
  #watch(consumer: Consumer, pulls: readonly ConsumerMessages[]): Promise<string> {
    const over = new AbortController()
    return new Promise<string>((resolve) => {
      const end = (reason: string) => {
        over.abort()
        resolve(reason)
      }
      this.#stop.signal.addEventListener('abort', () => end('closed'), { signal: over.signal })
      for (const [at, messages] of pulls.entries()) {
        void messages.closed().then(() => end('closed'))
        void this.#listen(at, messages, end)
      }
      void this.#poll(consumer, over.signal, end)
      if (this.#stop.signal.aborted) end('closed')
    })
  }

  /** A lost pull is asked for again by the library. When all are silent, more is wrong. */
  async #listen(at: number, messages: ConsumerMessages, end: (reason: string) => void): Promise<void> {
    for await (const { type } of messages.status()) {
      if (FAULTS.has(type)) end(type)
      // `debug`: the server has answered, most often that the pull is over.
      if (type === 'heartbeat' || type === 'debug') this.#silent.delete(at)
      if (type === 'heartbeats_missed') this.#silent.add(at)
      if (this.#silent.size === PULLS_EXPIRE_MS.length) end('heartbeats_missed')
    }
  }

  async #poll(consumer: Consumer, over: AbortSignal, end: (reason: string) => void): Promise<void> {
    const { pollMs, sleep, onInfo } = this.#options
    for (let stalled = 0; !over.aborted; await sleep(pollMs, over)) {
      const before = this.#delivered
      const info = await this.#inform(consumer)
      this.#answering = info !== undefined
      if (info === undefined) continue
      onInfo(info)
      const waiting =
        info.num_pending > 0 && this.#delivered === before && this.#options.unacknowledged() === 0
      stalled = waiting ? stalled + 1 : 0
      if (stalled >= STALLED_POLLS) end('stalled')
    }
  }

  /** Undefined when the server does not answer; the client's own events tell why. */
  async #inform(consumer: Consumer): Promise<ConsumerInfo | undefined> {
    try {
      return await consumer.info()
    } catch (error) {
      const { stream, durable, logger } = this.#options
      logger.debug('bridge.consumer_unanswered', { stream, durable, error })
      return undefined
    }
  }
}
