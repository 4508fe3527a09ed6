import type { LinkTls } from '../../streams/contracts/operator-profile.ts'
import { AnswerWatch } from './answer-watch.ts'
import { openConnection, type Connection, type WireHooks } from './connection.ts'
import { encodePdu, isResponse, textField, type Pdu, type PduFields } from './pdu.ts'
import { LineWatch } from './line-watch.ts'
import { createPending, type Reply } from './open-requests.ts'
import { atMost } from '../wait.ts'
import { ESME_RINVBNDSTS, ESME_RINVCMDID, ESME_RMSGQFUL, ESME_ROK } from './status-class.ts'

export type BindCommand = 'bind_transceiver' | 'bind_transmitter' | 'bind_receiver'

export interface SessionHooks extends WireHooks {
  enquireLinkTimedOut(): void
  /** No submit was answered for so long that the link counts as dead [B18]. */
  submitsUnanswered(): void
  /** A response that nobody waits for. */
  strayResponse(): void
}

export interface SessionOptions {
  readonly host: string
  readonly port: number
  /** Null: in the clear. */
  readonly tls: LinkTls | null
  readonly connectMs: number
  readonly bindMs: number
  readonly responseMs: number
  readonly enquireLinkMs: number
  readonly enquireLinkTimeoutMs: number
  readonly unbindMs: number
  /** How long open requests may finish when the operator wants the session to end [ST5]. */
  readonly leaveMs: number
  readonly unansweredMs: number
  /** Monotonic ms. */
  readonly elapsed: () => number
  readonly hooks: SessionHooks
  /** False when the right to this bind is lost: another process may be bound by now [B3]. */
  readonly mayWrite: () => boolean
  /** A short message from the operator; the status that it resolves to is the answer. */
  readonly onDeliver: (pdu: Pdu, session: string) => Promise<number>
  /** Unlike that of any other session. */
  readonly id: string
  /** Called once, when the session begins to end in order: it takes no more submits. */
  readonly onLeaving: () => void
  readonly onClosed: (reason: string) => void
}

export type BindReply =
  | { readonly kind: 'bound' }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'failed'; readonly reason: string }

export interface SubmitAnswer {
  readonly kind: 'answered'
  readonly status: number
  readonly messageId: string
}
export type SubmitReply =
  | SubmitAnswer
  /**
   * Written, but its fate is unknown [S9]. `late`: the answer that comes after the deadline on the
   * same session, or undefined when that session ends without it.
   */
  | {
      readonly kind: 'in_doubt'
      readonly reason: 'timeout' | 'disconnect'
      readonly late: Promise<SubmitAnswer | undefined>
    }
  /** Never written: no harm in sending it later. */
  | { readonly kind: 'not_sent' }

/** Why a session ends whose submits nobody answers [B18]. */
export const UNANSWERED = 'submits unanswered'

type State = 'idle' | 'connecting' | 'open' | 'bound' | 'unbinding' | 'closed'

const NEXT: Readonly<Record<State, readonly State[]>> = {
  idle: ['connecting'],
  connecting: ['open', 'closed'],
  open: ['bound', 'closed'],
  bound: ['unbinding', 'closed'],
  unbinding: ['closed'],
  closed: [],
}

/** Receipts of one session that wait for NATS; more are refused, and the operator repeats them. */
const DELIVERIES_MAX = 1_000
const DELIVERIES: ReadonlySet<string> = new Set(['deliver_sm', 'data_sm'])

/**
 * One TCP connection with one bind, from connecting to closed; never reused.
 *
 * - idle: made, nothing opened.
 * - connecting: TCP handshake within `connectMs`.
 * - open: bind sent. The operator's short messages are refused until it has answered.
 * - bound, from the moment that the answer is decoded [B11]: requests may be sent. Any PDU proves
 *   the line; without one enquire_link asks for it [B10].
 * - unbinding: no new submits. Open ones still get their responses, and receipts theirs, then the
 *   session ends in order: we unbind, or answer the operator's unbind.
 * - closed: every open request was ended as in doubt.
 */
export class Session {
  readonly #options: SessionOptions
  readonly #pending
  #state: State = 'idle'
  #connection: Connection | undefined
  readonly #line: LineWatch
  readonly #answers: AnswerWatch
  readonly #deliveries = new Set<Promise<void>>()
  #drained: Promise<unknown> | undefined

  constructor(options: SessionOptions) {
    this.#options = options
    this.#pending = createPending(options.elapsed)
    this.#line = new LineWatch(options, {
      ask: () => void this.#request('enquire_link', {}, options.enquireLinkTimeoutMs),
      dead: () => {
        options.hooks.enquireLinkTimedOut()
        this.drop('enquire_link timeout')
      },
    })
    this.#answers = new AnswerWatch(options.unansweredMs, () => {
      options.hooks.submitsUnanswered()
      this.drop(UNANSWERED)
    })
  }

  async bind(command: BindCommand, fields: PduFields): Promise<BindReply> {
    const { host, port, tls, connectMs, bindMs, hooks, mayWrite } = this.#options
    this.#enter('connecting')
    try {
      this.#connection = await openConnection({
        host,
        port,
        tls,
        hooks,
        mayWrite,
        timeoutMs: connectMs,
        onPdu: (pdu) => this.#take(pdu),
        onClosed: (reason) => this.#closed(reason),
      })
    } catch (error) {
      this.#enter('closed')
      return { kind: 'failed', reason: connectFault(error) }
    }
    this.#enter('open')
    return this.#bindReply(await this.#request(command, fields, bindMs))
  }

  /** Bound, and not about to end. */
  get canSubmit(): boolean {
    return this.#state === 'bound'
  }

  /** Waits while the operator does not read. Bounded by the caller's window. */
  async submit(fields: PduFields): Promise<SubmitReply> {
    if (this.#state === 'bound') await this.#connection?.writable()
    if (this.#state !== 'bound' || !this.#options.mayWrite()) return { kind: 'not_sent' }
    this.#answers.asked()
    const reply = await this.#request('submit_sm', fields, this.#options.responseMs)
    this.#answers.ended()
    if (reply.kind === 'answered') this.#answers.answered()
    if (reply.kind === 'answered') return submitAnswer(reply.pdu)
    if (reply.kind === 'closed') return { kind: 'in_doubt', reason: 'disconnect', late: NEVER }
    const late = reply.late.then((pdu) => this.#lateAnswer(pdu))
    return { kind: 'in_doubt', reason: 'timeout', late }
  }

  #lateAnswer(pdu: Pdu | undefined): SubmitAnswer | undefined {
    if (pdu === undefined) return undefined
    this.#answers.answered()
    return submitAnswer(pdu)
  }

  /**
   * Takes no more submits, lets what is open finish for `drainMs`, then unbinds and closes for
   * `reason`. Another call while that goes on changes nothing.
   */
  async unbind(drainMs: number, reason = 'unbound'): Promise<void> {
    if (this.#state === 'unbinding') return
    if (this.#state !== 'bound') return this.drop('shutdown')
    this.#drained = this.#drain(drainMs)
    await this.#drained
    if (this.#isOver()) return
    await this.#request('unbind', {}, this.#options.unbindMs)
    this.drop(reason)
  }

  #drain(drainMs: number): Promise<unknown> {
    this.#enter('unbinding')
    this.#options.onLeaving()
    const finished = Promise.all([this.#pending.idle(), ...this.#deliveries])
    return atMost(drainMs, finished)
  }

  drop(reason: string): void {
    this.#connection?.destroy(reason)
  }

  // A method, because the state changes during an await where the compiler believes that it does
  // not.
  #isOver(): boolean {
    return this.#state === 'closed'
  }

  async #bindReply(reply: Reply): Promise<BindReply> {
    if (reply.kind === 'closed') return { kind: 'failed', reason: 'closed during bind' }
    if (reply.kind === 'timeout') {
      this.drop('bind timeout')
      return { kind: 'failed', reason: 'bind timeout' }
    }
    if (reply.pdu.status !== ESME_ROK) {
      this.drop('bind refused')
      return { kind: 'refused', status: reply.pdu.status }
    }
    return this.#isOver() ? { kind: 'failed', reason: 'closed during bind' } : { kind: 'bound' }
  }

  #request(command: string, fields: PduFields, timeoutMs: number): Promise<Reply> {
    const { sequence, reply } = this.#pending.open(command, timeoutMs)
    this.#connection?.send(encodePdu(command, sequence, fields))
    return reply
  }

  #take(pdu: Pdu): void {
    this.#line.heard()
    if (isResponse(pdu)) return this.#takeResponse(pdu)
    if (DELIVERIES.has(pdu.command)) return this.#deliver(pdu)
    if (pdu.command === 'enquire_link') return this.#answer(pdu, ESME_ROK)
    if (pdu.command === 'unbind') return void this.#unbound(pdu)
    // alert_notification has no response, and outbind is an invitation that we never follow.
    if (pdu.command === 'alert_notification' || pdu.command === 'outbind') return
    this.#connection?.send(encodePdu('generic_nack', pdu.sequence, {}, ESME_RINVCMDID))
  }

  /** The operator gives notice: what it has open with us it may still answer [ST5]. */
  async #unbound(pdu: Pdu): Promise<void> {
    if (this.#state === 'bound') this.#drained = this.#drain(this.#options.leaveMs)
    await this.#drained
    this.#answer(pdu, ESME_ROK)
    this.drop('unbound by the operator')
  }

  #takeResponse(pdu: Pdu): void {
    if (!this.#pending.answer(pdu)) return this.#options.hooks.strayResponse()
    // While it is open, a session has asked for nothing but its bind. What follows in the same read
    // must find it bound.
    if (this.#state !== 'open' || pdu.status !== ESME_ROK || pdu.command === 'generic_nack') return
    this.#enter('bound')
    this.#line.start()
  }

  #deliver(pdu: Pdu): void {
    if (this.#state !== 'bound' && this.#state !== 'unbinding') return this.#answer(pdu, ESME_RINVBNDSTS)
    if (this.#deliveries.size >= DELIVERIES_MAX) return this.#answer(pdu, ESME_RMSGQFUL)
    const delivery = this.#options.onDeliver(pdu, this.#options.id).then((status) => {
      this.#deliveries.delete(delivery)
      this.#answer(pdu, status)
    })
    this.#deliveries.add(delivery)
  }

  #answer(pdu: Pdu, status: number): void {
    this.#connection?.send(encodePdu(`${pdu.command}_resp`, pdu.sequence, {}, status))
  }

  #closed(reason: string): void {
    this.#line.stop()
    this.#answers.stop()
    this.#enter('closed')
    this.#pending.close()
    this.#options.onClosed(reason)
  }

  #enter(state: State): void {
    if (!NEXT[this.#state].includes(state))
      throw new Error(`session cannot go from ${this.#state} to ${state}`)
    this.#state = state
  }
}

const NEVER = Promise.resolve(undefined)
const submitAnswer = (pdu: Pdu): SubmitAnswer => ({
  kind: 'answered',
  status: pdu.status,
  messageId: textField(pdu, 'message_id'),
})

// A text without the address: where operators listen is not for logs of every level.
const connectFault = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'connect timeout'
