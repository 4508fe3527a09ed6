import { DeliverPolicy, type Consumer } from '@nats-io/jetstream'
import { decode } from '../../../streams/contracts/decode.ts'
import { submitResults } from '../../../streams/contracts/outbound.ts'
import { SUBMIT_RESULT_MIRROR } from '../../../streams/contracts/subjects.ts'
import type { Logger } from '../../../streams/platform/logger.ts'
import { jetstreamOf, type NatsLink } from '../../../streams/nats/link.ts'
import { aborted } from '../../wait.ts'
import { SegmentResult } from '../progress.ts'
import { KeptResults, type Start, type StoredResult } from './kept-results.ts'

export type ResultsOfCommand = ReadonlyMap<number, SegmentResult>

const BATCH = 1_000
const FETCH_MS = 5_000
/** Clocks of publishers and of the server differ. */
const MARGIN_MS = 60_000

interface Question {
  readonly messageId: string
  /** Epoch ms. */
  readonly since: number
  readonly signal: AbortSignal
  readonly found: Map<number, SegmentResult>
  readonly settle: (isAnswered: boolean) => void
}

/**
 * Results that NATS holds already: what is left to know about a command that was delivered before,
 * when Redis has been emptied [S4]. A command with a result must not be sent again.
 *
 * What was read is kept as far as there is room, because after such a loss every command that comes
 * again asks. What has been dropped since is read again for whoever asks for it.
 */
export class PublishedResults {
  readonly #nats: NatsLink
  readonly #logger: Logger
  readonly #kept: KeptResults
  /** Bounded by the commands in work; those that wait together are answered by one look. */
  #waiting: Question[] = []
  #isLooking = false

  constructor(nats: NatsLink, logger: Logger, kept = new KeptResults()) {
    this.#nats = nats
    this.#logger = logger
    this.#kept = kept
  }

  /**
   * Results of one command. `since`: no result of it can be older, epoch ms. Undefined when NATS
   * could not be asked, or not before `signal` aborts.
   */
  async of(messageId: string, since: number, signal: AbortSignal): Promise<ResultsOfCommand | undefined> {
    const found = new Map<number, SegmentResult>()
    const forget = new AbortController()
    const answer = new Promise<boolean>((settle) => {
      this.#waiting.push({ messageId, since: since - MARGIN_MS, signal, found, settle })
    })
    void this.#look()
    const isAnswered = await Promise.race([answer, aborted(signal, forget.signal)])
    forget.abort()
    return isAnswered === true ? found : undefined
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    while (this.#waiting.length > 0) {
      const asked = this.#waiting.splice(0)
      const isAnswered = await this.#answer(asked)
      for (const { settle } of asked) settle(isAnswered)
    }
    this.#isLooking = false
  }

  async #answer(asked: readonly Question[]): Promise<boolean> {
    const isGivenUp = (): boolean => asked.every(({ signal }) => signal.aborted)
    const since = Math.min(...asked.map((question) => question.since))
    try {
      await this.#read(this.#kept.startFor(since), Infinity, (result) => this.#kept.add(result), isGivenUp)
      const { from } = this.#kept
      if (since < from) await this.#readOlder(asked, since, from, isGivenUp)
      for (const { messageId, found } of asked)
        for (const [index, result] of this.#kept.of(messageId)) found.set(index, result)
      return !isGivenUp()
    } catch (error) {
      this.#logger.warn('smpp.results.unknown', { error })
      return false
    }
  }

  async #readOlder(
    asked: readonly Question[],
    since: number,
    until: number,
    isGivenUp: () => boolean,
  ): Promise<void> {
    const questions = new Map<string, Question[]>()
    for (const question of asked)
      questions.set(question.messageId, [...(questions.get(question.messageId) ?? []), question])
    const older = this.#kept.older(since)
    const note = (stored: StoredResult): void => {
      older.add(stored)
      const { told } = stored
      if (told === undefined) return
      for (const { found } of questions.get(told.messageId) ?? []) found.set(told.index, told.result)
    }
    await this.#read({ since }, until, note, isGivenUp)
    if (!isGivenUp()) older.keep()
  }

  /** What was stored from `start` on and before `until`, as of this moment. */
  async #read(
    start: Start,
    until: number,
    note: (result: StoredResult) => void,
    isGivenUp: () => boolean,
  ): Promise<void> {
    const consumer = await jetstreamOf(this.#nats).consumers.get(SUBMIT_RESULT_MIRROR.stream, from(start))
    // What is published while we read is newer than the question.
    let missing = (await consumer.info()).num_pending
    while (missing > 0 && !isGivenUp()) {
      const batch = await batchOf(consumer, Math.min(BATCH, missing))
      for (const stored of batch) if (stored.at < until) note(stored)
      if ((batch.at(-1)?.at ?? Infinity) >= until) break
      missing -= batch.length
    }
    await consumer.delete()
  }
}

const from = (start: Start) =>
  'since' in start
    ? { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(start.since).toISOString() }
    : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start.sequence }

/** Not more than there are: it would wait for the rest. */
async function batchOf(consumer: Consumer, wanted: number): Promise<readonly StoredResult[]> {
  const messages = await consumer.fetch({ max_messages: wanted, expires: FETCH_MS })
  const batch: StoredResult[] = []
  for await (const { seq: sequence, info, data } of messages) {
    const at = info.timestampNanos / 1_000_000
    batch.push({ sequence, at, told: toldIn(data) })
  }
  if (batch.length === 0) throw new Error('results do not come')
  return batch
}

function toldIn(data: Uint8Array): StoredResult['told'] {
  const event = decode(submitResults, data)
  if (!event.ok) return undefined
  const { messageId, segmentIndex: index } = event.value
  return { messageId, index, result: SegmentResult.parse(event.value) }
}
