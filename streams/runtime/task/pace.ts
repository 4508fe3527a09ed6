import { LogError, partitionKey, type LogClient } from '../../log/port.ts'
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
    return this.#lookClosely()
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
      const look = this.#lookNeeded(nowMs, pauseMs <= 0)
      if (look !== undefined) {
        await (look === 'close' ? this.#lookClosely() : this.#look())
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

  #lookNeeded(nowMs: number, isTime: boolean): 'close' | 'quick' | undefined {
    const { clock, limits, timers, inputs } = this.#options
    if (Math.abs(clock.now() - this.#lookedMs) >= limits.topicsLookMs) return 'close'
    return timers.needSight(nowMs) || (isTime && inputs.needSightToMerge()) ? 'quick' : undefined
  }

  async #look(): Promise<void> {
    const { time, log, inputs, sources } = this.#options
    const atMs = time.now()
    const offered = inputs.offered()
    const found = await log.admin.ends(sources.at)
    const ends = new Map(sources.at.map((at) => [at.topic, found.get(partitionKey(at)) ?? 0]))
    // It ends before what was read: it is another topic, or it was cut back.
    const isShorter = [...offered].some(([topic, next]) => (ends.get(topic) ?? 0) < next)
    if (isShorter) await this.#lookClosely()
    else inputs.seen({ atMs, offered, ends })
  }

  /** Whether the topics are still those that the task has opened costs a question more. */
  async #lookClosely(): Promise<void> {
    const { clock, time, log, inputs, sources } = this.#options
    this.#lookedMs = clock.now()
    const atMs = time.now()
    const offered = inputs.offered()
    const bounds = await log.admin.bounds(sources.at)
    assertSame(this.#origins, sources.idsIn(bounds))
    inputs.seen({ atMs, offered, ends: sources.endsIn(bounds) })
  }
}
