import { jetstreamManager, type ConsumerInfo, type JetStreamManager } from '@nats-io/jetstream'
import type { LogClient, LogWriter } from '../../streams/log/port.ts'
import { connectionOf, type NatsLink } from '../../streams/nats/link.ts'
import type { Sleep } from '../../streams/platform/backoff.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import { markedDurable, UnmarkedDurable, type DurableMarks } from './durable-start.ts'
import { durables, type DurableSpec } from './durables.ts'
import { isOfSameTopic, markRecord, PublishedMarks } from './outbound/published-marks.ts'
import { provisionNats, ProvisionError, unlessMissing, type ProvisionOptions } from './provision.ts'

export interface DurableWatchOptions {
  readonly log: LogClient
  readonly linkOfStream: (stream: string) => NatsLink
  readonly provisioning: ProvisionOptions
  /** The link that may make streams and durables; undefined: they are made by another program. */
  readonly maker: NatsLink | undefined
  readonly logger: Logger
  readonly pollMs: number
  readonly now: () => number
  readonly sleep: Sleep
}

export interface DurableWatch {
  close(): Promise<void>
}

const API_MS_MAX = 5_000
/** What was seen longer ago says nothing: this process was away, and another may know more. */
const SEEN_MS_MAX = 10_000
const TOLD_EVERY_MS = 60_000

/**
 * Keeps the durables there while the bridges run. Notes on the log up to where each durable of
 * commands has acknowledged, so that it can be made again without sending twice. Makes again what
 * is missing, or says so once a minute.
 */
export function watchDurables(options: DurableWatchOptions): DurableWatch {
  const watching = new Watching(options)
  return { close: () => watching.close() }
}

class Watching {
  readonly #options: DurableWatchOptions
  readonly #marks: PublishedMarks
  readonly #writer: LogWriter
  readonly #stop = new AbortController()
  readonly #toldMs = new Map<string, number>()
  readonly #done: Promise<void>

  constructor(options: DurableWatchOptions) {
    this.#options = options
    this.#marks = new PublishedMarks(options.log)
    this.#writer = options.log.writer()
    this.#done = this.#run()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#done
    await this.#marks.close()
    await this.#writer.close()
  }

  async #run(): Promise<void> {
    const { logger, sleep, pollMs } = this.#options
    while (!this.#stop.signal.aborted) {
      try {
        await this.#look()
      } catch (error) {
        if (error instanceof UnmarkedDurable) this.#tell('nats.durable_unmarked', error.message, { error })
        else if (error instanceof ProvisionError)
          this.#tell('nats.provision_refused', error.message, { error })
        else logger.debug('nats.durables_unknown', { error })
      }
      await sleep(pollMs, this.#stop.signal)
    }
  }

  async #look(): Promise<void> {
    const { provisioning, linkOfStream } = this.#options
    const missing: DurableSpec[] = []
    for (const spec of durables(provisioning)) {
      const manager = await managerOf(linkOfStream(spec.stream))
      const askedMs = this.#options.now()
      const info = await unlessMissing(manager.consumers.info(spec.stream, spec.name))
      if (info === undefined) missing.push(spec)
      else if (spec.isOnce === true) await this.#note(manager, spec, { info, askedMs })
    }
    if (missing.length > 0) await this.#makeAgain(missing)
  }

  async #note(
    manager: JetStreamManager,
    spec: DurableSpec,
    seen: { readonly info: ConsumerInfo; readonly askedMs: number },
  ): Promise<void> {
    const { created: topicId } = await manager.streams.info(spec.stream)
    const acknowledged = seen.info.ack_floor.stream_seq
    const of = markedDurable(spec)
    const known = await this.#marks.of(of)
    const isNoted = known !== undefined && isOfSameTopic(known, topicId) && known.acknowledged >= acknowledged
    const ageMs = this.#options.now() - seen.askedMs
    if (isNoted || ageMs < 0 || ageMs > SEEN_MS_MAX) return
    await this.#writer.write([markRecord(of, { acknowledged, topicId, timeMs: seen.askedMs })])
  }

  async #makeAgain(missing: readonly DurableSpec[]): Promise<void> {
    const { maker, provisioning, logger } = this.#options
    for (const { stream, name } of missing)
      this.#tell('nats.durable_missing', `${stream}/${name}`, { stream, durable: name })
    if (maker === undefined) return
    const marks: DurableMarks = (spec) => this.#marks.of(markedDurable(spec))
    await provisionNats(await managerOf(maker), { ...provisioning, marks })
    for (const { stream, name } of missing) logger.info('nats.durable_made', { stream, durable: name })
  }

  #tell(event: string, what: string, fields: Parameters<Logger['error']>[1]): void {
    const key = `${event} ${what}`
    const nowMs = this.#options.now()
    if (Math.abs(nowMs - (this.#toldMs.get(key) ?? Number.NEGATIVE_INFINITY)) < TOLD_EVERY_MS) return
    this.#toldMs.set(key, nowMs)
    this.#options.logger.error(event, fields)
  }
}

const managerOf = (link: NatsLink): Promise<JetStreamManager> =>
  jetstreamManager(connectionOf(link), { checkAPI: false, timeout: API_MS_MAX })
