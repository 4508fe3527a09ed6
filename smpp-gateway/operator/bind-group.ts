import type { OperatorBind } from '../smpp/bind.ts'
import type { PduFields } from '../smpp/pdu.ts'
import { UNANSWERED, type SubmitReply } from '../smpp/session.ts'
import { aborted } from '../wait.ts'
import { attemptBind, type Attempt, type AttemptOptions } from './attempt.ts'
import { holdLease, type Lease } from './lease.ts'
import { pauseAfter } from './next-bind.ts'
import { noteMissingBind } from './notes.ts'
import { reasonOf, type BindEnd } from './states.ts'
import type { Terms } from './terms.ts'

/** The right to one bind. */
type Place = Pick<Lease, 'lost' | 'stands'>

interface Member {
  readonly bind: OperatorBind
  /** Submits without an answer. */
  open: number
  isLeaving: boolean
}

export interface BindGroupOptions {
  /** Binds that the operator allows us [B21]. */
  readonly agreed: number
  readonly attempt: (isAgain: boolean, stands: () => boolean) => Promise<Attempt>
  /** The right to one bind beside the first, which the operator's own lease covers. */
  readonly hold: (place: number, signal: AbortSignal) => Promise<Lease | undefined>
  readonly pause: (last: BindEnd, attempt: number, signal: AbortSignal) => Promise<void>
  /** When no bind has had an answer for so long, the operator answers none [B18]. */
  readonly unansweredMs: number
  /** Monotonic ms. */
  readonly elapsed: () => number
}

/**
 * All binds to one operator as one [B21]. A bind that is lost is bound again while others carry;
 * when the last one ends, so does the group, and its operator begins anew.
 *
 * Each place is bound by one process at a time: the first under the lease of the operator, every
 * other under one of its own, which is given up only when its bind is closed. So there are never
 * more than agreed, also while another process takes over.
 */
export class BindGroup implements OperatorBind {
  readonly mode
  readonly leaving: Promise<void>
  readonly closed: Promise<string>
  readonly #options: BindGroupOptions
  readonly #members = new Set<Member>()
  readonly #over = new AbortController()
  readonly #never = new AbortController().signal
  #wake = new AbortController()
  /** Ends when no bind is being tried. */
  #turn: Promise<unknown> = Promise.resolve()
  /** Ends when there may be other credentials than those that were refused. */
  #refusal: Promise<void> | undefined
  #answeredAt = Number.NEGATIVE_INFINITY
  #isMute = false
  #reason = ''

  constructor(first: OperatorBind, options: BindGroupOptions) {
    this.mode = first.mode
    this.#options = options
    const others = Array.from({ length: options.agreed - 1 }, (_, at) => this.#keep(at + 1))
    const all = [this.#serve({ lost: this.#never, stands: () => true }, first), ...others]
    this.leaving = aborted(this.#over.signal, this.#never).then(() => undefined)
    this.closed = Promise.all(all).then(() => (this.#isMute ? UNANSWERED : this.#reason))
  }

  get binds(): number {
    return this.#members.size
  }

  get canSubmit(): boolean {
    return [...this.#members].some(({ bind }) => bind.canSubmit)
  }

  /** Through the one with the fewest open. */
  async submit(fields: PduFields): Promise<SubmitReply> {
    const [member] = [...this.#members].filter(({ bind }) => bind.canSubmit).sort((a, b) => a.open - b.open)
    if (member === undefined) return { kind: 'not_sent' }
    member.open += 1
    const reply = await member.bind.submit(fields)
    member.open -= 1
    if (reply.kind === 'answered') this.#answered()
    if (reply.kind === 'in_doubt') void reply.late.then((answer) => answer && this.#answered())
    return reply
  }

  async unbind(drainMs: number, reason?: string): Promise<void> {
    this.#over.abort()
    await Promise.all([...this.#members].map(({ bind }) => bind.unbind(drainMs, reason)))
    await this.closed
  }

  leave(reason: string): void {
    // First, or one that is bound at this moment would stay.
    this.#over.abort()
    for (const { bind } of this.#members) bind.leave(reason)
  }

  drop(reason: string): void {
    this.#over.abort()
    for (const { bind } of this.#members) bind.drop(reason)
  }

  retry(): void {
    this.#wake.abort()
    this.#wake = new AbortController()
  }

  /** The lease is kept while the bind is lost, so that the place stays ours. */
  async #keep(place: number): Promise<void> {
    while (!this.#over.signal.aborted) {
      const lease = await this.#options.hold(place, this.#over.signal)
      if (lease === undefined) return
      await this.#serve(lease)
      await lease.release()
    }
  }

  /** One place, bound again and again until the group is over or the place is `lost`. */
  async #serve(place: Place, first?: OperatorBind): Promise<void> {
    const { lost } = place
    let attempt: Attempt | undefined =
      first === undefined ? await this.#attempt(place, false) : { kind: 'bound', bind: first }
    for (let count = 1; attempt !== undefined; count += 1) {
      const end: BindEnd = attempt.kind === 'bound' ? await this.#whileBound(attempt.bind, lost) : attempt
      // A bind that answers nothing was no good one [B18].
      if (end.kind === 'ended' && end.reason !== UNANSWERED) count = 1
      if (end.kind !== 'refused') await this.#pause(end, count, lost)
      attempt = await this.#attempt(place, true)
    }
  }

  #pause(end: BindEnd, count: number, lost: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([this.#over.signal, this.#wake.signal, lost])
    return this.#options.pause(end, count, signal)
  }

  /**
   * One at a time: what is refused to one place must not be tried by every other one [B14].
   * Undefined when it is over.
   */
  #attempt({ lost, stands }: Place, isAgain: boolean): Promise<Attempt | undefined> {
    const turn = this.#turn.then(async () => {
      await this.#refusal
      if (this.#over.signal.aborted || lost.aborted) return undefined
      const attempt = await this.#options.attempt(isAgain, stands)
      if (attempt.kind === 'refused') this.#refusal = this.#pause(attempt, 1, this.#never)
      return attempt
    })
    this.#turn = turn
    return turn
  }

  /** From a good bind to its end. One that comes too late is ended at once. */
  async #whileBound(bind: OperatorBind, lost: AbortSignal): Promise<BindEnd> {
    const member = { bind, open: 0, isLeaving: false }
    this.#members.add(member)
    void bind.leaving.then(() => {
      member.isLeaving = true
      if ([...this.#members].every(({ isLeaving }) => isLeaving)) this.#over.abort()
    })
    const isLate = this.#over.signal.aborted || lost.aborted
    const forget = new AbortController()
    const ended = isLate ? 'aborted' : await Promise.race([bind.closed, aborted(lost, forget.signal)])
    forget.abort()
    if (ended === 'aborted') await bind.unbind(0)
    const reason = await bind.closed
    this.#members.delete(member)
    if (!isLate) this.#ended(reason)
    return { kind: 'ended', reason }
  }

  #answered(): void {
    this.#answeredAt = this.#options.elapsed()
  }

  /** One bind may be mute alone. When none is answered, the operator is, and must be left. */
  #ended(reason: string): void {
    const { elapsed, unansweredMs } = this.#options
    this.#reason = reason
    if (reason !== UNANSWERED || elapsed() - this.#answeredAt < unansweredMs) return
    this.#isMute = true
    this.drop(UNANSWERED)
  }
}

/** One bind, and where more are agreed on the others with it [B8] [B21]. */
export async function attemptBinds(options: AttemptOptions, found: (terms: Terms) => void): Promise<Attempt> {
  let place = ''
  const first = await attemptBind(options, (terms) => {
    place = terms.place
    found(terms)
  })
  const { binds: agreed } = options.settings
  if (first.kind !== 'bound' || agreed === 1) return first
  const foundAgain = (terms: Terms): void => {
    // The others are bound by the old ones: all begin anew [B19].
    if (terms.place === place) found(terms)
    else bind.leave('credentials have changed')
  }
  const bind = new BindGroup(first.bind, {
    agreed,
    unansweredMs: options.settings.unansweredMs,
    elapsed: options.elapsed,
    attempt: (isAgain, stands) => {
      if (isAgain) options.metrics.reconnectAttempt()
      const mayWrite = (): boolean => options.bind.mayWrite() && stands()
      return attemptBind({ ...options, bind: { ...options.bind, mayWrite } }, foundAgain)
    },
    hold: (number, signal) => holdPlace(number, options, signal),
    pause: (last, attempt, signal) => {
      if (!signal.aborted) noteMissingBind(options, reasonOf(last))
      return pauseAfter(last, attempt, options, signal)
    },
  })
  return { kind: 'bound', bind }
}

/**
 * Unlike the operator's own lease none is assumed without Redis [B4]: one bind is enough to go on
 * with, and more could be one too many.
 */
async function holdPlace(
  place: number,
  options: AttemptOptions,
  signal: AbortSignal,
): Promise<Lease | undefined> {
  const { leaseMs: ttlMs, leaseRenewMs: renewMs } = options.timings
  const operatorId = `${options.operatorId}:${place}`
  while (!signal.aborted) {
    const lease = await holdLease({ ...options, operatorId, ttlMs, renewMs, onWait: () => {} }, signal)
    if (lease?.isConfirmed !== false) return lease
    await lease.release()
  }
  return undefined
}
