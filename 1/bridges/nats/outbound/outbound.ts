import type { Mirror } from '../../../streams/contracts/subjects.ts'
import { isReplayed, type LogRecord } from '../../../streams/log/port.ts'
import type { Logger } from '../../../streams/platform/logger.ts'
import type { Batch } from '../../../streams/runtime/consume.ts'
import type { Instruments } from '../../instruments.ts'
import type { DeadLetters } from './dead-letters.ts'
import { toNatsHeaders } from '../headers.ts'
import type { Command, CommandGate } from './command-partition.ts'
import { COMMAND_TOPIC, outboundEvent, type Readable } from './event.ts'
import { SubjectMoved, type Publisher } from './publish.ts'
import { mirrorSpan } from '../spans.ts'

/**
 * One group for all topics: partitions wait independently of each other anyway, and each group
 * costs connections of its own.
 */
export const OUTBOUND_GROUP = 'sms.bridge-out'

export interface OutboundMirror {
  readonly mirror: Mirror
  readonly publisher: Publisher
}

export interface OutboundOptions {
  readonly mirrors: readonly OutboundMirror[]
  readonly deadLetters: DeadLetters
  readonly instruments: Instruments
  readonly logger: Logger
  readonly now: () => number
}

interface Undone {
  readonly record: LogRecord
  readonly read: Readable
}

interface Way {
  readonly to: OutboundMirror
  readonly gate: CommandGate | undefined
  readonly done: Set<number>
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
 * Commands: a replayed one is never published [P4]. Of the others the gate of their partition
 * decides (command-partition.ts), and those of one operator go one after the other. All other
 * events need neither owner nor mark: published a second time they carry the same id, and whoever
 * reads them dedupes by it [W3].
 */
export class OutboundBridge {
  readonly #options: OutboundOptions
  readonly #mirrors: ReadonlyMap<string, OutboundMirror>
  /** Offsets done, of batches that are being repeated. */
  readonly #done = new WeakMap<Batch, Set<number>>()

  constructor(options: OutboundOptions) {
    this.#options = options
    this.#mirrors = new Map(options.mirrors.map((one) => [one.mirror.topic, one]))
  }

  /**
   * Resolves when every record is acknowledged, suppressed or a dead letter; rejects when some must
   * be tried again. Commands need a gate.
   */
  async handle(batch: Batch, gate?: CommandGate): Promise<void> {
    if (batch.topic === COMMAND_TOPIC && gate === undefined) throw new Error('commands need an owner')
    const done = this.#done.get(batch) ?? new Set()
    this.#done.set(batch, done)
    const to = this.#mirrors.get(batch.topic)
    if (to === undefined) throw new Error(`no mirror for ${batch.topic}`)
    const undone = batch.records
      .filter(({ offset }) => !done.has(offset))
      .map((record) => ({ record, read: outboundEvent(to.mirror, record) }))
    await gate?.prepare(
      undone.flatMap(({ record, read }) => (read.ok ? [{ record, event: read.event }] : [])),
    )
    const chains = this.#chains(undone, { to, gate, done })
    const ended = await Promise.allSettled(chains.map((steps) => inTurn(steps)))
    const failed = ended.find((end) => end.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    this.#finish(batch)
  }

  /**
   * What is left to do, in one chain per message, and per operator for commands: each names the one
   * before it.
   */
  #chains(undone: readonly Undone[], way: Way): readonly (readonly Unfinished[])[] {
    const chains = new Map<string, Unfinished[]>()
    for (const one of undone) {
      const { orderKey, unfinished } = this.#stepOf(one, way)
      const steps = chains.get(orderKey) ?? []
      steps.push(async () => {
        await unfinished()
        way.done.add(one.record.offset)
      })
      chains.set(orderKey, steps)
    }
    return [...chains.values()]
  }

  #stepOf(
    { record, read }: Undone,
    way: Way,
  ): { readonly orderKey: string; readonly unfinished: Unfinished } {
    const { offset } = record
    const { gate } = way
    if (gate !== undefined && (isReplayed(record.headers) || gate.covers(record)))
      return { orderKey: `suppressed ${offset}`, unfinished: () => this.#suppress(record) }
    if (!read.ok) {
      const { reason, message } = read
      const unfinished = () => this.#refuse(record, reason, message, gate)
      return { orderKey: `refused ${offset}`, unfinished }
    }
    const { event } = read
    if (gate?.isHeld(event) === true)
      return { orderKey: `suppressed ${offset}`, unfinished: () => this.#suppress(record) }
    const orderKey = gate === undefined ? event.orderKey : event.subject
    return { orderKey, unfinished: () => this.#publish({ record, event }, way) }
  }

  #suppress(record: LogRecord): Promise<void> {
    this.#options.instruments.replaysSuppressed.inc({ subject: record.topic })
    return Promise.resolve()
  }

  async #publish({ record, event }: Command, { to, gate }: Way): Promise<void> {
    const { instruments, now } = this.#options
    const end = mirrorSpan(record.headers, to.mirror.topic)
    const publication = {
      subject: event.subject,
      messageId: event.messageId,
      headers: toNatsHeaders(record.headers),
      payload: record.value ?? Buffer.alloc(0),
      lastSequence: gate?.lastOf(event),
    }
    const published = await to.publisher
      .publish(publication, () => gate?.permit())
      .catch((error: unknown) => {
        if (error instanceof SubjectMoved) gate?.doubt()
        throw error
      })
      .finally(end)
    if (published.kind === 'refused') return this.#refuse(record, 'refused', published.message, gate)
    gate?.acknowledged(event, published)
    instruments.out.inc({ subject: record.topic })
    if (event.enqueuedAtMs !== undefined && !published.duplicate)
      instruments.pipelineTotal.observe(Math.max(0, now() - event.enqueuedAtMs) / 1_000)
  }

  async #refuse(
    record: LogRecord,
    reason: 'not_json' | 'schema' | 'refused',
    message: string,
    gate: CommandGate | undefined,
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
    await gate?.refused(record, message)
    instruments.deadLetters.inc({ subject: topic })
    logger.error('bridge.refused', { topic, partition, offset, reason })
  }

  #finish(batch: Batch): void {
    const { instruments, now } = this.#options
    this.#done.delete(batch)
    instruments.lastProgress.set({ subject: batch.topic }, now() / 1_000)
  }
}

async function inTurn(steps: readonly Unfinished[]): Promise<void> {
  for (const unfinished of steps) await unfinished()
}
