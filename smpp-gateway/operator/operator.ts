import { carrierOf, type Carrier } from '../submit/carrier.ts'
import { attemptBinds } from './bind-group.ts'
import { holdLease, LEASE_WAITS, type Lease, type LeaseWait } from './lease.ts'
import type { OperatorBind } from '../smpp/bind.ts'
import { UNANSWERED } from '../smpp/session.ts'
import type { OperatorOptions } from './options.ts'
import {
  HEALTH_OF,
  OPERATOR_NEXT,
  reasonOf,
  type BindEnd,
  type Hold,
  type OperatorState,
  type OperatorView,
} from './states.ts'
import { pauseAfter } from './next-bind.ts'
import { noteHold, noteLeaseAssumed, noteLeaseWait, noteState } from './notes.ts'
import { watchTerms, type Terms } from './terms.ts'
import type { CommandQueue } from '../submit/queue.ts'
import { aborted, atMost } from '../wait.ts'

/**
 * One operator from the assignment to this process until its end [B16].
 *
 * - DISCONNECTED: not started, standby (another process holds the lease), or shut down. Nothing is
 *   pulled, no health is published.
 * - CONNECTING: credentials are fetched and a bind is tried.
 * - BOUND: commands are pulled and receipts taken.
 * - UNBOUND: lost or refused; waits for the next attempt. Commands wait in NATS.
 * - FAILBACK: binds are tried as in UNBOUND, while the backup carries the commands.
 */
export class Operator {
  readonly #options: OperatorOptions
  readonly #queue: CommandQueue
  readonly #stopping = new AbortController()
  #wake = new AbortController()
  #state: OperatorState = 'DISCONNECTED'
  #lease: Lease | undefined
  #leaseWait: LeaseWait | undefined
  /** Bound under the present lease, so that nobody else can be. */
  #wasBound = false
  #bind: OperatorBind | undefined
  #backup: (() => Carrier | undefined) | undefined
  #terms: Terms
  #lastBoundAt: string | null = null
  #attempts = 0
  /** Links in a row that took our binds and answered no submit [B18]. */
  #mute = 0
  #hold: Hold | null = null
  #unboundSince: number
  #life: Promise<void> | undefined

  constructor(options: OperatorOptions) {
    this.#options = options
    this.#terms = { operatorName: options.operatorId, tpsLimit: 1, backupOperatorId: null, place: '' }
    this.#unboundSince = options.elapsed()
    this.#queue = options.openQueue(() => this.carrier ?? this.#backup?.())
    options.metrics.state(this.#state)
  }

  get view(): OperatorView {
    return {
      operatorId: this.#options.operatorId,
      operatorName: this.#terms.operatorName,
      state: this.#state,
      bindMode: this.#bind?.mode ?? null,
      binds: this.#bind?.binds ?? 0,
      lastBoundAt: this.#lastBoundAt,
      reconnectAttempts: this.#attempts,
      hold: this.#hold,
    }
  }

  get backupOperatorId(): string | null {
    return this.#terms.backupOperatorId
  }

  /** Since when its lease holder has been without a session, monotonic ms. */
  get unboundSince(): number | undefined {
    const isDown = this.#state === 'UNBOUND' || this.#state === 'CONNECTING'
    return isDown ? this.#unboundSince : undefined
  }

  /** Bound, paused by a person, or on standby for a process that is known: all is well [H32]. */
  get isSettled(): boolean {
    const isOnStandby = this.#state === 'DISCONNECTED' && this.#leaseWait === 'holder'
    return this.#state === 'BOUND' || this.#hold === 'paused' || isOnStandby
  }

  /** Its state, and on standby what it waits for. */
  get condition(): string {
    const wait = this.#leaseWait
    return wait === undefined ? this.#state : `${this.#state}: ${LEASE_WAITS[wait]}`
  }

  /** This operator as one that carries messages, while it can. */
  get carrier(): Carrier | undefined {
    const bind = this.#bind
    if (this.#state !== 'BOUND' || this.#hold !== null || bind?.canSubmit !== true) return undefined
    return carrierOf(this.#options, bind, this.#terms.tpsLimit)
  }

  start(): void {
    this.#life ??= this.#run()
  }

  /** [AD5]: ends a pause, whoever has asked for it, or the wait for the next attempt. */
  reconnect(): void {
    if (this.#hold === 'paused') return this.resume()
    this.#wake.abort()
    this.#bind?.retry()
  }

  /** [H18]. What is on its way to the operator is still answered. */
  hold(hold: Hold): void {
    this.#hold = hold
    noteHold(this.#options, hold)
    // While paused the backup may carry on.
    if (hold === 'drained' || this.#state === 'BOUND') this.#queue.halt()
    if (hold === 'paused') this.#bind?.leave(hold)
    else this.#wake.abort()
  }

  /** [H18]. */
  resume(): void {
    this.#hold = null
    noteHold(this.#options, null)
    if (this.carrier !== undefined || this.#state === 'FAILBACK') this.#queue.start()
    this.#wake.abort()
  }

  /** [FO1]: from now on `backup` carries the commands. */
  failOver(backup: () => Carrier | undefined): void {
    if (this.#state !== 'UNBOUND') return
    this.#backup = backup
    this.#enter('FAILBACK', 'backup took over')
    if (this.#hold !== 'drained') this.#queue.start()
  }

  /** [FO3]: the backup carries no more. */
  endFailover(): void {
    if (this.#state !== 'FAILBACK') return
    this.#queue.halt()
    this.#backup = undefined
    this.#enter('UNBOUND', 'backup lost')
  }

  /** Orderly end [SD1]. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#queue.halt()
    this.#wake.abort()
    await this.#life
    await atMost(this.#options.timings.unbindMs, this.#queue.idle())
    await this.#queue.close()
    this.#options.health.close()
  }

  async #run(): Promise<void> {
    const { leaseMs: ttlMs, leaseRenewMs: renewMs } = this.#options.timings
    const onWait = (wait: LeaseWait): void => {
      this.#leaseWait = wait
      noteLeaseWait(this.#options, wait)
    }
    const lease = { ...this.#options, ttlMs, renewMs, onWait }
    while (!this.#stopping.signal.aborted) {
      this.#lease = await holdLease(lease, this.#stopping.signal)
      this.#leaseWait = undefined
      if (this.#lease === undefined) return
      this.#wasBound = false
      if (!this.#lease.isConfirmed) noteLeaseAssumed(this.#options)
      this.#options.onLeaseHeld()
      this.#unboundSince = this.#options.elapsed()
      const forget = new AbortController()
      void aborted(this.#lease.lost, forget.signal).then(() => this.#cease(LEASE_LOST))
      await this.#serve(this.#lease)
      forget.abort()
      await this.#leave(this.#lease)
    }
  }

  /** Binds again and again while the lease is ours. */
  async #serve(lease: Lease): Promise<void> {
    const { lost } = lease
    const isOver = (): boolean => this.#stopping.signal.aborted || lost.aborted
    while (!isOver()) {
      await this.#whilePaused(lost)
      if (isOver()) return
      if (this.#state !== 'FAILBACK') this.#enter('CONNECTING', 'connecting')
      const attempt = await this.#attempt(lease)
      if (isOver()) return
      this.#attempts += 1
      if (attempt.kind === 'ended') this.#mute = attempt.reason === UNANSWERED ? this.#mute + 1 : 0
      if (this.#state === 'CONNECTING' || this.#state === 'BOUND') this.#enter('UNBOUND', reasonOf(attempt))
      if (this.#hold === 'paused') continue
      await pauseAfter(attempt, this.#attempts + this.#mute, this.#options, this.#untilWoken(lost))
    }
  }

  async #whilePaused(lost: AbortSignal): Promise<void> {
    while (this.#hold === 'paused' && !this.#stopping.signal.aborted && !lost.aborted) {
      await aborted(this.#untilWoken(lost), NEVER)
      this.#attempts = 0
    }
  }

  #untilWoken(lost: AbortSignal): AbortSignal {
    this.#wake = new AbortController()
    return AbortSignal.any([this.#wake.signal, this.#stopping.signal, lost])
  }

  async #attempt({ lost, stands }: Lease): Promise<BindEnd> {
    const options = { ...this.#options, bind: { ...this.#options.bind, mayWrite: stands } }
    if (this.#attempts > 0) this.#options.metrics.reconnectAttempt()
    const bound = await attemptBinds(options, (terms) => (this.#terms = terms))
    if (bound.kind !== 'bound') return bound
    if (!lost.aborted && !this.#stopping.signal.aborted)
      return { kind: 'ended', reason: await this.#whileBound(bound.bind, lost) }
    // It is another's by now, or nobody's: neither health nor commands of it are ours [B3].
    await bound.bind.unbind(0)
    return { kind: 'ended', reason: 'bound too late' }
  }

  /** From a good bind to its end, whichever side ends it. */
  async #whileBound(bind: OperatorBind, lost: AbortSignal): Promise<string> {
    this.#bind = bind
    this.#lastBoundAt = new Date(this.#options.now()).toISOString()
    // A backup that was lost during the attempt has left us in UNBOUND.
    if (this.#state === 'UNBOUND') this.#enter('CONNECTING', 'connecting')
    this.#wasBound = true
    this.#enter('BOUND', 'bound')
    this.#attempts = 0
    this.#backup = undefined
    if (this.carrier !== undefined) this.#queue.start()
    if (this.#hold === 'paused') bind.leave(this.#hold)
    const forget = new AbortController()
    void bind.leaving.then(() => {
      if (this.#bind === bind) this.#queue.halt()
    })
    const watch = { ...this.#options, pollMs: this.#options.timings.credentialsPollMs }
    void watchTerms(watch, (terms) => this.#refresh(bind, terms), forget.signal)
    const over = [lost, this.#stopping.signal].map((signal) => aborted(signal, forget.signal))
    const reason = await Promise.race([bind.closed, ...over])
    forget.abort()
    this.#queue.halt()
    if (reason === 'aborted') await this.#unbind(bind, lost)
    this.#bind = undefined
    return reason
  }

  #refresh(bind: OperatorBind, terms: Terms): void {
    const { place } = this.#terms
    this.#terms = terms
    if (terms.place !== place) bind.leave('credentials have changed')
  }

  /** What was sent gets its time, unless another process has the right to this operator now. */
  async #unbind(bind: OperatorBind, lost: AbortSignal): Promise<void> {
    if (lost.aborted) return bind.unbind(0)
    const { drainMs } = this.#options.timings
    await atMost(drainMs, Promise.race([this.#queue.idle(), bind.closed]))
    await bind.unbind(drainMs)
  }

  /** At once, also while a bind is tried: nothing of the operator is ours from now on. */
  #cease(reason: string): void {
    this.#queue.halt()
    this.#backup = undefined
    if (this.#state !== 'DISCONNECTED') this.#enter('DISCONNECTED', reason)
  }

  async #leave(lease: Lease): Promise<void> {
    const { health, timings } = this.#options
    this.#cease(lease.lost.aborted ? LEASE_LOST : 'shutdown')
    await atMost(timings.unbindMs, health.flush())
    health.silence()
    await lease.release()
  }

  #enter(state: OperatorState, reason: string): void {
    const { metrics, health, elapsed } = this.#options
    const previous = this.#state
    if (!OPERATOR_NEXT[previous].includes(state))
      throw new Error(`operator cannot go from ${previous} to ${state}`)
    this.#state = state
    metrics.state(state)
    // A link that answers nothing was as good as none all the time: the backup need not wait.
    if (previous === 'BOUND')
      this.#unboundSince = reason === UNANSWERED ? Number.NEGATIVE_INFINITY : elapsed()
    noteState(this.#options, state, reason, this.#bind?.mode)
    // Another holder of the lease publishes the health from now on. Whoever only assumes to hold it
    // must not contradict the one who does.
    const speaks = reason !== LEASE_LOST && (this.#wasBound || this.#lease?.isConfirmed === true)
    if (state !== 'CONNECTING' && speaks) health.report(HEALTH_OF[state], reason, this.#terms.operatorName)
  }
}

const LEASE_LOST = 'lease lost'
const NEVER = new AbortController().signal
