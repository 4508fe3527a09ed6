import { JetStreamError, type Consumer, type JsMsg } from '@nats-io/jetstream'
import { NO_LONGER, type Sleep } from '../../streams/platform/backoff.ts'

/**
 * How long the server may hold a pull. So long it still sends us commands when the queue has
 * halted, which are given back.
 */
export const PULL_MS = 1_000
const PULL_EVERY_MS = PULL_MS / 2
/** Of pulls that overlap one may be lost and the next not. More in a row is no chance. */
const LOST_IN_A_ROW_MAX = 1

/**
 * Pulls that overlap. NATS 2.9 drops a pull without a word when a command comes at the instant of
 * its expiry, and the client learns it by missed heartbeats, as late as it could. So the next pull
 * is there before one expires, and the server gives it what the other one missed (ADR 0048).
 */
export class Pulls {
  readonly #sleep: Sleep
  readonly #onEnd: () => void
  #asked = 0
  #lostInARow = 0
  #isBacklog = false

  /** @param onEnd called when a pull has ended, whether or not it was lost. */
  constructor(sleep: Sleep, onEnd: () => void) {
    this.#sleep = sleep
    this.#onEnd = onEnd
  }

  /** Commands that pulls on their way may still bring. */
  get asked(): number {
    return this.#asked
  }

  /**
   * Pulls while `room` resolves to how many more may be asked for, and ends with its zero: when all
   * pulls are read to their end. Rejects when a pull fails.
   */
  async read(consumer: Consumer, room: () => Promise<number>, take: (message: JsMsg) => void): Promise<void> {
    const open = new Set<Promise<void>>()
    const failed = new AbortController()
    for (let places = await room(); places > 0 && !failed.signal.aborted; places = await room()) {
      const ended = new AbortController()
      const pull = this.#pull(consumer, places, take)
        .catch((error: unknown) => failed.abort(error))
        .finally(() => {
          open.delete(pull)
          ended.abort(NO_LONGER)
          this.#onEnd()
        })
      open.add(pull)
      await this.#sleep(PULL_EVERY_MS, ended.signal)
    }
    await Promise.all(open)
    failed.signal.throwIfAborted()
  }

  /**
   * When commands are waiting the next pull follows at once, and may have all the room. Otherwise
   * half is left to the pull that overlaps.
   */
  async #pull(consumer: Consumer, places: number, take: (message: JsMsg) => void): Promise<void> {
    let left = this.#isBacklog ? places : Math.ceil(places / 2)
    this.#asked += left
    try {
      const messages = await consumer.fetch({ max_messages: left, expires: PULL_MS })
      for await (const message of messages) {
        left -= 1
        this.#asked -= 1
        take(message)
      }
      this.#isBacklog = left === 0
      this.#lostInARow = 0
    } catch (error) {
      this.#lostInARow += 1
      if (!isLost(error) || this.#lostInARow > LOST_IN_A_ROW_MAX) throw error
    } finally {
      this.#asked -= left
    }
  }
}

const isLost = (error: unknown): boolean =>
  error instanceof JetStreamError && error.message === 'heartbeats missed'
