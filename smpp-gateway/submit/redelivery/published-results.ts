import { DeliverPolicy, type Consumer, type JsMsg } from '@nats-io/jetstream'
import { decode } from '../../../streams/contracts/decode.ts'
import { submitResults } from '../../../streams/contracts/outbound.ts'
import { SUBMIT_RESULT_MIRROR } from '../../../streams/contracts/subjects.ts'
import { BoundedMap } from '../../../streams/platform/bounded-map.ts'
import type { Logger } from '../../../streams/platform/logger.ts'
import { jetstreamOf, type NatsLink } from '../../../streams/nats/link.ts'
import { SegmentResult } from '../progress.ts'

export type ResultsOfCommand = ReadonlyMap<number, SegmentResult>

/** Messages whose results are kept; of older ones nothing is known, so they count as not sent. */
const MESSAGES_MAX = 100_000
const BATCH = 1_000
const FETCH_MS = 5_000
/**
 * A command comes again this much later than its last result was published, or later: after a delay
 * or its ack wait.
 */
const FRESH_MS = 250
/** So much further back is read than was asked for. */
const STEP_MS = 3_600_000
/** Clocks of publishers and of the server differ. */
const MARGIN_MS = 60_000

/**
 * Results that NATS holds already: what is left to know about a command that was delivered before,
 * when Redis has been emptied [S4]. A command with a result must not be sent again.
 *
 * They are read once, from the oldest moment that was asked for, and kept: after such a loss every
 * command that comes again asks.
 */
export class PublishedResults {
  readonly #nats: NatsLink
  readonly #logger: Logger
  readonly #now: () => number
  #known = new BoundedMap<string, Map<number, SegmentResult>>(MESSAGES_MAX)
  #readSince = Infinity
  /** When the newest that was read was stored, epoch ms. */
  #readUntil = Number.NEGATIVE_INFINITY
  #nextSequence: number | undefined
  #readAt = Number.NEGATIVE_INFINITY
  #reading: Promise<void> = Promise.resolve()

  /** `now` is monotonic, in ms. */
  constructor(nats: NatsLink, logger: Logger, now: () => number) {
    this.#nats = nats
    this.#logger = logger
    this.#now = now
  }

  /**
   * Results of one command. `since`: no result of it can be older, epoch ms. Undefined when NATS
   * could not be asked.
   */
  async of(messageId: string, since: number): Promise<ResultsOfCommand | undefined> {
    const read = this.#reading.then(() => this.#readOn(since))
    // The next one waits for this one, however it ends.
    this.#reading = read.catch(() => {})
    try {
      await read
      return this.#known.get(messageId) ?? new Map()
    } catch (error) {
      this.#logger.warn('smpp.results.unknown', { messageId, error })
      return undefined
    }
  }

  async #readOn(since: number): Promise<void> {
    const startedAt = this.#now()
    if (since >= this.#readSince && startedAt - this.#readAt < FRESH_MS) return
    // What lies between the last look and this one may be a whole day that nobody asks for.
    if (since < this.#readSince || since - STEP_MS > this.#readUntil) this.#startOver(since)
    const consumer = await jetstreamOf(this.#nats).consumers.get(SUBMIT_RESULT_MIRROR.stream, this.#start)
    // Those of this moment: what is published while we read is newer than the question.
    let missing = (await consumer.info()).num_pending
    while (missing > 0) missing -= await this.#readBatch(consumer, missing)
    this.#readAt = startedAt
    await consumer.delete()
  }

  /** Until all has been read nothing is known, however fresh it was. */
  #startOver(since: number): void {
    this.#known = new BoundedMap(MESSAGES_MAX)
    this.#nextSequence = undefined
    this.#readAt = Number.NEGATIVE_INFINITY
    // Others will ask for older ones: each step back reads everything anew.
    this.#readSince = since - STEP_MS
  }

  get #start() {
    return this.#nextSequence === undefined
      ? {
          deliver_policy: DeliverPolicy.StartTime,
          opt_start_time: new Date(this.#readSince - MARGIN_MS).toISOString(),
        }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.#nextSequence }
  }

  /** Answers how many it has read. */
  async #readBatch(consumer: Consumer, missing: number): Promise<number> {
    // Not more than there are: it would wait for the rest.
    const wanted = Math.min(BATCH, missing)
    const messages = await consumer.fetch({ max_messages: wanted, expires: FETCH_MS })
    let read = 0
    for await (const message of messages) {
      this.#note(message)
      read += 1
    }
    if (read === 0) throw new Error('results do not come')
    return read
  }

  #note(message: JsMsg): void {
    this.#nextSequence = message.seq + 1
    this.#readUntil = message.info.timestampNanos / 1_000_000
    const event = decode(submitResults, message.data)
    if (!event.ok) return
    const { messageId, segmentIndex } = event.value
    const results = this.#known.get(messageId) ?? new Map<number, SegmentResult>()
    this.#known.set(messageId, results.set(segmentIndex, SegmentResult.parse(event.value)))
  }
}
