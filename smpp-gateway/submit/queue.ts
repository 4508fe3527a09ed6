import { setMaxListeners } from 'node:events'
import type { JsMsg } from '@nats-io/jetstream'
import { commandDurable } from '../../streams/contracts/subjects.ts'
import { jetstreamOf, type NatsLink } from '../../streams/nats/link.ts'
import { backoffMs, type Sleep } from '../../streams/platform/backoff.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import type { Carrier } from './carrier.ts'
import { readCommand, type CommandIdentity } from './command.ts'
import { GuardedSubmit, type Handled } from './redelivery/faults.ts'
import type { FirstDeliveries } from './redelivery/first-deliveries.ts'
import { PULL_MS, Pulls } from './pulls.ts'
import { publishRefusal } from './results.ts'
import { traceOf } from '../spans.ts'
import { atMost } from '../wait.ts'
import { later, NOBODY_BOUND_MS, type SubmitContext, type Verdict } from './submission.ts'

export interface QueueOptions {
  readonly nats: NatsLink
  readonly context: SubmitContext
  readonly deliveries: FirstDeliveries
  /** Who carries the next PDU. */
  readonly carrier: () => Carrier | undefined
  readonly workingMs: number
  readonly sleep: Sleep
  readonly random: () => number
  readonly logger: Logger
}

const STREAM = 'SMPP_OUTBOUND'
/** Commands in work, in windows: enough to fill the window while others wait for NATS or Redis. */
const WINDOWS_IN_WORK = 4
/**
 * With a narrow window still so many that a pull is worth its way: commands that come again, and
 * for which it is too early, are given back by the pull.
 */
const IN_WORK_MIN = 100

/** Commands in work at a time. */
export const inWorkMax = (window: number): number => Math.max(IN_WORK_MIN, WINDOWS_IN_WORK * window)
const PULL_RETRY = { firstMs: 500, maxMs: 10_000, jitter: 0.2 }
/** Of the operator's rate, for commands that come again while new ones want it too. */
const AGAIN_SHARE = 0.5
/** A second copy of a command that is being worked on here waits for the first. */
const IN_WORK_ALREADY_MS = 1_000

/**
 * Every command in work listens to it, so the warning of a leak at eleven listeners would be false.
 */
function quietAbortController(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}

/**
 * The commands of one operator, from NATS to their verdict.
 *
 * - still, as it is made: nothing is asked for; commands wait in NATS.
 * - pulling, from `start` to `halt`: commands are worked on as they come, as many at a time as
 *   `#places` says.
 * - after `halt`, what has not been sent is given back. What was sent keeps its response deadline.
 *   `idle` says when all is done.
 */
export class CommandQueue {
  readonly #options: QueueOptions
  readonly #inWork = new Map<string, JsMsg>()
  readonly #work = new Set<Promise<void>>()
  readonly #rounds = new Set<Promise<void>>()
  readonly #pulls: Pulls
  /** Commands in work that NATS has delivered before. */
  #againInWork = 0
  readonly #guarded = new GuardedSubmit()
  readonly #giveUp = quietAbortController()
  readonly #working: NodeJS.Timeout
  #round: AbortController | undefined
  #onRoom: (() => void) | undefined

  constructor(options: QueueOptions) {
    this.#options = options
    this.#pulls = new Pulls(options.sleep, () => this.#onRoom?.())
    this.#working = setInterval(() => {
      for (const message of this.#inWork.values()) message.working()
    }, options.workingMs)
  }

  get isPulling(): boolean {
    return this.#round !== undefined
  }

  start(): void {
    if (this.#round !== undefined || this.#giveUp.signal.aborted) return
    this.#round = quietAbortController()
    const round = this.#pull(this.#round.signal).finally(() => this.#rounds.delete(round))
    this.#rounds.add(round)
  }

  halt(): void {
    this.#round?.abort()
    this.#round = undefined
    this.#onRoom?.()
  }

  /** Resolves when no command is in work. */
  async idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work)
  }

  /** The end. What still waits for NATS stops waiting, and its command will be delivered again. */
  async close(): Promise<void> {
    this.halt()
    this.#giveUp.abort()
    // A NATS that hangs keeps a pull open, and must not keep the process.
    await atMost(2 * PULL_MS, Promise.all(this.#rounds))
    await this.idle()
    clearInterval(this.#working)
  }

  async #pull(signal: AbortSignal): Promise<void> {
    const { nats, sleep, random, logger, context } = this.#options
    for (let attempt = 1; !signal.aborted; attempt++) {
      await nats.whenConnected(signal)
      if (signal.aborted) return
      try {
        await this.#consume(signal)
        attempt = 0
      } catch (error) {
        // Most often the durable does not exist yet, or the connection was lost while we asked for
        // it.
        logger.warn('smpp.commands.pull_failed', { operatorId: context.operatorId, error })
      }
      if (!signal.aborted) await sleep(backoffMs(attempt + 1, { ...PULL_RETRY, random }), signal)
    }
  }

  /**
   * A pull is always read to its end: what the server sends after a halt is given back at once.
   * Left unread it would wait for its ack wait.
   */
  async #consume(signal: AbortSignal): Promise<void> {
    const { nats, context, deliveries } = this.#options
    const consumer = await jetstreamOf(nats).consumers.get(STREAM, commandDurable(context.operatorId))
    deliveries.begin((await consumer.info(true)).delivered.stream_seq)
    const room = async (): Promise<number> => {
      await this.#room(signal)
      await this.#carried(signal)
      return signal.aborted ? 0 : Math.max(1, this.#places)
    }
    await this.#pulls.read(consumer, room, (message) => this.#take(message, signal))
  }

  get #places(): number {
    return inWorkMax(this.#options.context.settings.window) - this.#inWork.size - this.#pulls.asked
  }

  /** Room for several: a pull for every single place would cost more than its command. */
  async #room(signal: AbortSignal): Promise<void> {
    const { window } = this.#options.context.settings
    while (this.#places < inWorkMax(window) / WINDOWS_IN_WORK && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve
      })
    }
  }

  /** A backup that was lost is noticed late: until then commands would only come and go back. */
  async #carried(signal: AbortSignal): Promise<void> {
    const { carrier, sleep } = this.#options
    while (carrier() === undefined && !signal.aborted) await sleep(NOBODY_BOUND_MS, signal)
  }

  #take(message: JsMsg, signal: AbortSignal): void {
    const isFirst = this.#options.deliveries.isFirst(message)
    if (signal.aborted) return this.#while(this.#giveBack(message, isFirst))
    const untilTurnMs = message.redelivered ? this.#untilTurnMs() : 0
    if (untilTurnMs > 0) return message.nak(untilTurnMs)
    const again = message.redelivered ? 1 : 0
    this.#againInWork += again
    const handled = this.#handle(message, isFirst, signal).finally(() => {
      this.#againInWork -= again
    })
    this.#while(handled)
  }

  #while(handled: Promise<void>): void {
    const work = handled.finally(() => {
      this.#work.delete(work)
      this.#onRoom?.()
    })
    this.#work.add(work)
  }

  /** It came after the halt. */
  async #giveBack(message: JsMsg, isFirst: boolean): Promise<void> {
    const { operatorId, journal } = this.#options.context
    const read = isFirst ? readCommand(message.data, operatorId) : undefined
    if (read?.kind === 'command') await journal.noteUnsent(read.command.messageId)
    message.nak()
  }

  /**
   * NATS keeps the due times, and delivers what is due before what is new. A crowd of commands that
   * come again gets half of the places here, and half of the rate while new ones are in work; the
   * others wait there [B6].
   */
  #untilTurnMs(): number {
    const { turns, settings } = this.#options.context
    const carrier = this.#options.carrier()
    // It goes back all the same, and not to a turn at no rate.
    if (carrier === undefined) return 0
    const isShared = this.#inWork.size > this.#againInWork
    const rate = carrier.tpsLimit * carrier.throttle.part * (isShared ? AGAIN_SHARE : 1)
    const isFull = this.#againInWork >= inWorkMax(settings.window) / 2
    return isFull ? turns.after(rate) : turns.admit(rate, this.#isIdle(carrier, rate))
  }

  /** Nobody waits for the carrier, and what is in work is no more than it takes in a second. */
  #isIdle({ throttle, window }: Carrier, rate: number): boolean {
    return throttle.isFree && this.#inWork.size < Math.min(window.limit, Math.max(1, rate))
  }

  async #handle(message: JsMsg, isFirst: boolean, giveBack: AbortSignal): Promise<void> {
    const handled = await this.#verdict(message, isFirst, giveBack)
    if (handled.kind === 'done') return message.ack()
    if (handled.kind === 'unreadable') return message.term()
    if (handled.delayMs > 0) message.nak(handled.delayMs)
    else message.nak()
  }

  async #verdict(message: JsMsg, isFirst: boolean, giveBack: AbortSignal): Promise<Handled> {
    const { context, carrier, logger } = this.#options
    const { operatorId, metrics } = context
    const read = readCommand(message.data, operatorId)
    if (read.kind === 'command') {
      const trace = traceOf(message.headers)
      const giveUp = this.#giveUp.signal
      const delivery = {
        isFirst,
        storedAt: Math.floor(message.info.timestampNanos / 1_000_000),
      }
      return this.#once(read.command.messageId, message, () =>
        this.#guarded.submit({
          ...context,
          command: read.command,
          delivery,
          trace,
          giveBack,
          giveUp,
          carrier,
        }),
      )
    }
    metrics.invalidCommand()
    logger.error('smpp.command.invalid', { operatorId, reason: read.kind, paths: read.paths })
    if (read.kind === 'unreadable') return { kind: 'unreadable' }
    const { identity } = read
    return this.#once(identity.messageId, message, () => this.#refuse(message, identity))
  }

  async #once(messageId: string, message: JsMsg, work: () => Promise<Handled>): Promise<Handled> {
    if (this.#inWork.has(messageId)) return later(IN_WORK_ALREADY_MS)
    this.#inWork.set(messageId, message)
    try {
      return await work()
    } finally {
      this.#inWork.delete(messageId)
    }
  }

  async #refuse(message: JsMsg, identity: CommandIdentity): Promise<Verdict> {
    const { publisher, operatorId, now } = this.#options.context
    const at = new Date(now()).toISOString()
    const trace = traceOf(message.headers)
    const isTold = await publishRefusal(identity, operatorId, at, publisher, this.#giveUp.signal, trace)
    return isTold ? { kind: 'done' } : later(0)
  }
}
