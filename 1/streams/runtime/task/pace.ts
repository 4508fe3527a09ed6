import { LogError, type LogClient } from '../../log/port.ts'
import type { Clock } from '../clock.ts'
import type { Tempo } from '../commit/tempo.ts'
import type { TaskLimits } from '../limits.ts'
import type { LogTime } from '../log-time.ts'
import type { DueTimers } from './due-timers.ts'
import type { Inputs } from './inputs.ts'
import { assertSame, type Origin } from '../opening/origin.ts'
import type { Sources } from '../opening/sources.ts'
import { taskName, type TaskId } from '../watch/hooks.ts'
import { Wake } from './wake.ts'

export interface PaceOptions {
  readonly id: TaskId
  /** Its rounds first ask: they need not wait for others to do that, nor others for them. */
  readonly asks: boolean
  readonly clock: Clock
  readonly time: LogTime
  readonly log: LogClient
  readonly limits: Pick<TaskLimits, 'recordsPerRoundMax' | 'topicsLookMs'>
  readonly tempo: Tempo
  readonly inputs: Inputs
  readonly timers: DueTimers
  readonly sources: Sources
  readonly signal: AbortSignal
}

/** So often an assignment opens a task anew because the log gives no more of an input. */
const STOPS_MAX = 3

/** Says when there is work for a round, and asks the log for what has to be known before. */
export class Pace {
  readonly #options: PaceOptions
  readonly #wake: Wake
  #origins: readonly Origin[] = []
  #lookedMs = Number.NEGATIVE_INFINITY
  #stops = 0
  #stopped: Error | undefined

  constructor(options: PaceOptions) {
    this.#options = options
    this.#wake = new Wake(options.clock)
  }

  /** Something has come. */
  notify(): void {
    this.#wake.notify()
  }

  /**
   * The log gives no more of an input. Opened anew a task goes on where the log was cut back; what
   * is damaged stays so, and then it fails: nothing is skipped.
   */
  stop(error: LogError): void {
    this.#stops += 1
    const { message } = error
    this.#stopped = this.#stops > STOPS_MAX ? error : new LogError('retriable', message, error)
    this.notify()
  }

  /** The inputs go on there: the first sight of their ends follows. */
  open(origins: readonly Origin[]): Promise<void> {
    this.#origins = origins
    this.#stopped = undefined
    return this.#look()
  }

  /** What was handled could not be committed. */
  fail(error: unknown): void {
    this.#stopped ??= error instanceof Error ? error : new Error(String(error))
    this.notify()
  }

  /**
   * Work is a record or a due timer; few records wait for company until it is time for the next
   * transaction. Answers the instant up to which timers are due, and undefined when told to stop.
   */
  async work(): Promise<number | undefined> {
    const { inputs, timers, time, signal } = this.#options
    while (!signal.aborted) {
      if (this.#stopped !== undefined) throw this.#stopped
      const nowMs = time.now()
      const some = inputs.peek() !== undefined || timers.areDue(nowMs)
      const wants = some || inputs.needSightToMerge()
      this.#tellTempo(wants)
      const pauseMs = this.#pauseMs()
      if (this.#needsSight(nowMs, pauseMs <= 0)) {
        await this.#look()
        continue
      }
      if (some && pauseMs <= 0) return nowMs
      await this.#wake.wait(wants ? pauseMs : timers.waitMs(nowMs))
    }
    return undefined
  }

  /** Nobody is to wait for a task that does not go on. */
  leave(): void {
    this.#tellTempo(false)
  }

  #tellTempo(wants: boolean): void {
    const { tempo, id, asks } = this.#options
    if (wants && !asks) tempo.wants(taskName(id), () => this.notify())
    else tempo.wantsNot(taskName(id))
  }

  #pauseMs(): number {
    const { tempo, limits, inputs, asks } = this.#options
    return asks || inputs.size >= limits.recordsPerRoundMax ? 0 : tempo.pauseMs
  }

  #needsSight(nowMs: number, isTime: boolean): boolean {
    const { clock, limits, timers, inputs } = this.#options
    if (timers.needSight(nowMs) || (isTime && inputs.needSightToMerge())) return true
    return Math.abs(clock.now() - this.#lookedMs) >= limits.topicsLookMs
  }

  /** No record is merged by a sight of another topic than the one that the task has opened. */
  async #look(): Promise<void> {
    const { clock, time, log, inputs, sources } = this.#options
    this.#lookedMs = clock.now()
    const atMs = time.now()
    const offered = inputs.offered()
    const ends = await log.admin.ends(sources.at)
    assertSame(this.#origins, sources.idsIn(ends))
    inputs.seen({ atMs, offered, ends: sources.endsIn(ends) })
  }
}
