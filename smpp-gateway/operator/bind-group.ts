import type { OperatorBind } from '../smpp/bind.ts'
import type { PduFields } from '../smpp/pdu.ts'
import type { SubmitReply } from '../smpp/session.ts'
import { aborted } from '../wait.ts'
import { attemptBind, type Attempt } from './attempt.ts'
import { holdLease, type Lease } from './lease.ts'
import { pauseAfter } from './next-bind.ts'
import type { OperatorOptions } from './options.ts'
import type { BindEnd } from './states.ts'
import type { Terms } from './terms.ts'

interface Member {
  readonly bind: OperatorBind
  /** Submits without an answer. */
  open: number
  isLeaving: boolean
}

export interface BindGroupOptions {
  /** Binds that the operator allows us [B21]. */
  readonly agreed: number
  readonly attempt: () => Promise<Attempt>
  /** The right to one bind beside the first, which the operator's own lease covers. */
  readonly hold: (place: number, signal: AbortSignal) => Promise<Lease | undefined>
  readonly pause: (last: BindEnd, attempt: number, signal: AbortSignal) => Promise<void>
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
  #reason = ''

  constructor(first: OperatorBind, options: BindGroupOptions) {
    this.mode = first.mode
    this.#options = options
    const others = Array.from({ length: options.agreed - 1 }, (_, at) => this.#keep(at + 1))
    const all = [this.#keepFirst(first), ...others]
    this.leaving = aborted(this.#over.signal, NEVER).then(() => undefined)
    this.closed = Promise.all(all).then(() => this.#reason)
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
    return reply
  }

  async unbind(drainMs: number, reason?: string): Promise<void> {
    this.#over.abort()
    await Promise.all([...this.#members].map(({ bind }) => bind.unbind(drainMs, reason)))
    await this.closed
  }

  leave(reason: string): void {
    for (const { bind } of this.#members) bind.leave(reason)
  }

  drop(reason: string): void {
    this.#over.abort()
    for (const { bind } of this.#members) bind.drop(reason)
  }

  async #keepFirst(first: OperatorBind): Promise<void> {
    const reason = await this.#whileBound(first, NEVER)
    if (await this.#mayGoOn({ kind: 'ended', reason }, 1, NEVER)) await this.#serve(NEVER)
  }

  async #keep(place: number): Promise<void> {
    while (!this.#over.signal.aborted) {
      const lease = await this.#options.hold(place, this.#over.signal)
      if (lease === undefined) return
      await this.#serve(lease.lost)
      await lease.release()
    }
  }

  async #serve(lost: AbortSignal): Promise<void> {
    for (let count = 1; !this.#over.signal.aborted && !lost.aborted; count += 1) {
      const attempt = await this.#options.attempt()
      const isBound = attempt.kind === 'bound'
      if (isBound) count = 1
      const end: BindEnd = isBound
        ? { kind: 'ended', reason: await this.#whileBound(attempt.bind, lost) }
        : attempt
      if (!(await this.#mayGoOn(end, count, lost))) return
    }
  }

  /** False when it is over, if only after the pause. */
  async #mayGoOn(end: BindEnd, count: number, lost: AbortSignal): Promise<boolean> {
    const signal = AbortSignal.any([this.#over.signal, lost])
    if (!signal.aborted) await this.#options.pause(end, count, signal)
    return !signal.aborted
  }

  /** From a good bind to its end. One that comes too late is ended at once. */
  async #whileBound(bind: OperatorBind, lost: AbortSignal): Promise<string> {
    if (this.#over.signal.aborted || lost.aborted) {
      await bind.unbind(0)
      return bind.closed
    }
    const member = { bind, open: 0, isLeaving: false }
    this.#members.add(member)
    void bind.leaving.then(() => {
      member.isLeaving = true
      if ([...this.#members].every(({ isLeaving }) => isLeaving)) this.#over.abort()
    })
    const forget = new AbortController()
    const ended = await Promise.race([bind.closed, aborted(lost, forget.signal)])
    forget.abort()
    if (ended === 'aborted') await bind.unbind(0)
    this.#reason = await bind.closed
    this.#members.delete(member)
    return this.#reason
  }
}

const NEVER = new AbortController().signal

/** One bind, and where more are agreed on the others with it [B8] [B21]. */
export async function attemptBinds(
  options: OperatorOptions,
  found: (terms: Terms) => void,
): Promise<Attempt> {
  const first = await attemptBind(options, found)
  const agreed = options.settings.binds
  if (first.kind !== 'bound' || agreed === 1) return first
  const bind = new BindGroup(first.bind, {
    agreed,
    attempt: () => attemptBind(options, found),
    hold: (place, signal) => holdPlace(place, options, signal),
    pause: (last, attempt, signal) => pauseAfter(last, attempt, options, signal),
  })
  return { kind: 'bound', bind }
}

/**
 * Unlike the operator's own lease none is assumed without Redis [B4]: one bind is enough to go on
 * with, and more could be one too many.
 */
async function holdPlace(
  place: number,
  options: OperatorOptions,
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
