import type { Mirror } from '../../../streams/contracts/subjects.ts'
import { isReplayed, type LogRecord } from '../../../streams/log/port.ts'
import type { Logger } from '../../../streams/platform/logger.ts'
import type { Batch } from '../../../streams/runtime/consume.ts'
import type { Instruments } from '../../instruments.ts'
import type { DeadLetters } from './dead-letters.ts'
import { toNatsHeaders } from '../headers.ts'
import type { PublishedMarks } from './published-marks.ts'
import { COMMAND_TOPIC, outboundEvent, type OutboundEvent } from './event.ts'
import type { Publisher } from './publish.ts'
import { mirrorSpan } from '../spans.ts'

/**
 * One group for all topics: partitions wait independently of each other anyway, and each group
 * costs connections of its own.
 */
export const OUTBOUND_GROUP = 'sms.bridge-out'
/** Records of one partition that may be on their way to NATS at a time. */
export const OUTBOUND_BATCH_MAX = 256

export interface OutboundMirror {
  readonly mirror: Mirror
  readonly publisher: Publisher
}

export interface OutboundOptions {
  readonly mirrors: readonly OutboundMirror[]
  readonly publishedMarks: PublishedMarks
  readonly deadLetters: DeadLetters
  readonly instruments: Instruments
  readonly logger: Logger
  readonly now: () => number
}

/** A step of the batch that is not done: NATS has not answered, or the log did not take it. */
type Unfinished = () => Promise<void>

/**
 * Mirrors batches of the log to NATS, at least once and with stable ids, for `consume` [O10],
 * [D33].
 *
 * Order: two records of one message are never on their way together. The second is published when
 * the first is acknowledged. Records of different messages do not wait for each other. So per
 * message NATS has the order of the log, through resends, lost connections and leader changes, as
 * long as a resend comes within the stream's duplicate window. What is acknowledged is remembered
 * while the batch is repeated, and not published again after the window either.
 *
 * Commands: a replayed one is never published [P4], nor one below the mark [P7]. The mark is
 * durable before the cursor moves, as yet in a commit of its own [P7]. Between an acknowledgement
 * and its mark lies one batch. A process killed there publishes it again with the same ids. The
 * stream drops these within its window, the gateway's journal after it.
 */
export class OutboundBridge {
  readonly #options: OutboundOptions
  readonly #mirrors: ReadonlyMap<string, OutboundMirror>
  /** Offsets done, of batches that are being repeated. */
  readonly #done = new WeakMap<Batch, Set<number>>()
  /**
   * Where each partition of commands goes on. Anything else means that another member has had it,
   * or a reset.
   */
  readonly #expected = new Map<number, number>()

  constructor(options: OutboundOptions) {
    this.#options = options
    this.#mirrors = new Map(options.mirrors.map((one) => [one.mirror.topic, one]))
  }

  /**
   * Resolves when every record is acknowledged, suppressed or a dead letter; rejects when some must
   * be tried again.
   */
  async handle(batch: Batch): Promise<void> {
    const done = this.#done.get(batch) ?? new Set()
    this.#done.set(batch, done)
    await this.#prepareMarks(batch)
    const chains = this.#chains(batch, done)
    const ended = await Promise.allSettled(chains.map((steps) => inTurn(steps)))
    await this.#mark(batch, done)
    const failed = ended.find((end) => end.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    this.#finish(batch)
  }

  async #prepareMarks(batch: Batch): Promise<void> {
    if (batch.topic !== COMMAND_TOPIC || batch.records.length === 0) return
    if (this.#expected.get(batch.partition) === batch.records[0]?.offset) return
    await this.#options.publishedMarks.refresh()
    this.#expected.set(batch.partition, batch.records[0]?.offset ?? batch.next)
  }

  /** What is left to do, in one chain per message. */
  #chains(batch: Batch, done: Set<number>): readonly (readonly Unfinished[])[] {
    const mirror = this.#mirrors.get(batch.topic)
    if (mirror === undefined) throw new Error(`no mirror for ${batch.topic}`)
    const chains = new Map<string, Unfinished[]>()
    for (const record of batch.records) {
      if (done.has(record.offset)) continue
      const { orderKey, unfinished } = this.#stepOf(mirror, record)
      const steps = chains.get(orderKey) ?? []
      steps.push(async () => {
        await unfinished()
        done.add(record.offset)
      })
      chains.set(orderKey, steps)
    }
    return [...chains.values()]
  }

  #stepOf(
    to: OutboundMirror,
    record: LogRecord,
  ): { readonly orderKey: string; readonly unfinished: Unfinished } {
    const read = outboundEvent(to.mirror, record)
    if (this.#isSuppressed(record)) {
      return { orderKey: `suppressed ${record.offset}`, unfinished: () => this.#suppress(record) }
    }
    if (read.ok)
      return { orderKey: read.event.orderKey, unfinished: () => this.#publish(to, record, read.event) }
    const { reason, message } = read
    return { orderKey: `refused ${record.offset}`, unfinished: () => this.#refuse(record, reason, message) }
  }

  #isSuppressed(record: LogRecord): boolean {
    if (record.topic !== COMMAND_TOPIC) return false
    return isReplayed(record.headers) || this.#options.publishedMarks.covers(record)
  }

  #suppress(record: LogRecord): Promise<void> {
    this.#options.instruments.replaysSuppressed.inc({ subject: record.topic })
    return Promise.resolve()
  }

  async #publish(to: OutboundMirror, record: LogRecord, event: OutboundEvent): Promise<void> {
    const { instruments, now } = this.#options
    const end = mirrorSpan(record.headers, to.mirror.topic)
    const published = await to.publisher
      .publish({
        subject: event.subject,
        messageId: event.messageId,
        headers: toNatsHeaders(record.headers),
        payload: record.value ?? Buffer.alloc(0),
      })
      .finally(end)
    if (published.kind === 'refused') {
      await this.#refuse(record, 'refused', published.message)
      return
    }
    instruments.out.inc({ subject: record.topic })
    if (event.enqueuedAtMs !== undefined && !published.duplicate)
      instruments.pipelineTotal.observe(Math.max(0, now() - event.enqueuedAtMs) / 1_000)
  }

  async #refuse(
    record: LogRecord,
    reason: 'not_json' | 'schema' | 'refused',
    message: string,
  ): Promise<void> {
    const { deadLetters, instruments, logger } = this.#options
    const { topic, partition, offset } = record
    await deadLetters.write({
      sourceTopic: topic,
      sourcePartition: partition,
      sourceOffset: String(offset),
      key: record.key,
      payload: record.value,
      reason,
      errors: [{ path: '', message }],
    })
    instruments.deadLetters.inc({ subject: topic })
    logger.error('bridge.refused', { topic, partition, offset, reason })
  }

  /**
   * Commands only: a second publish of another event under the same id does no harm, so it needs no
   * mark.
   */
  async #mark(batch: Batch, done: ReadonlySet<number>): Promise<void> {
    if (batch.topic !== COMMAND_TOPIC) return
    let last: LogRecord | undefined
    let timeMs = 0
    for (const record of batch.records) {
      if (!done.has(record.offset)) break
      last = record
      timeMs = Math.max(timeMs, record.timestamp)
    }
    if (last !== undefined) await this.#options.publishedMarks.advance(batch, last.offset, timeMs)
  }

  #finish(batch: Batch): void {
    const { instruments, now } = this.#options
    this.#done.delete(batch)
    if (batch.topic === COMMAND_TOPIC) this.#expected.set(batch.partition, batch.next)
    instruments.lastProgress.set({ subject: batch.topic }, now() / 1_000)
  }
}

async function inTurn(steps: readonly Unfinished[]): Promise<void> {
  for (const unfinished of steps) await unfinished()
}
