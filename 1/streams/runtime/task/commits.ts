import type { Clock } from '../clock.ts'
import type { LogTime } from '../log-time.ts'
import type { Store } from '../store/store.ts'
import type { Table } from '../store/table.ts'
import type { Hooks, TaskId } from '../watch/hooks.ts'
import type { TaskProgress } from '../watch/task-progress.ts'
import type { DueTimers } from './due-timers.ts'
import type { Inputs } from './inputs.ts'
import type { Ledger, Prepared } from './ledger.ts'
import type { Pace } from './pace.ts'
import type { Effects } from './round.ts'
import { tell } from './tell.ts'
import type { TimerCount } from './timer-count.ts'

export interface CommitsOptions {
  readonly id: TaskId
  readonly clock: Clock
  readonly time: LogTime
  readonly hooks: Hooks
  readonly inputs: Inputs
  readonly ledger: Ledger
  readonly timers: DueTimers
  readonly timerCount: TimerCount
  readonly progress: TaskProgress
  readonly pace: Pace
}

export interface Handled {
  readonly store: Store
  readonly table: Table
  readonly effects: Effects
  /** Timers were due up to there. */
  readonly dueMs: number
}

/**
 * The commits of a task, one after the other. A round is handed in when the one before is
 * committed, and commits while the next one is handled. So at most one is in flight, and what is
 * handled above it falls with it.
 */
export class Commits {
  readonly #options: CommitsOptions
  #inFlight: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(options: CommitsOptions) {
    this.#options = options
  }

  /** Resolves when none is in flight, whatever became of it. */
  async settled(): Promise<void> {
    await this.#inFlight
  }

  /** The task has been opened: what failed before has been undone. */
  open(): void {
    this.#failure = undefined
  }

  /** Throws what the round before has failed with. */
  async handIn(handled: Handled): Promise<void> {
    const { clock, time, inputs, ledger, timers } = this.#options
    await this.#inFlight
    if (this.#failure !== undefined) throw this.#failure.error
    const { effects, table } = handled
    const round = { effects, nextOffsets: inputs.nextOffsets(), nowMs: clock.now(), logMs: time.shownMs }
    const prepared = await ledger.prepare(table, round)
    timers.armed(prepared.earliestArmedMs)
    this.#inFlight = this.#commit(handled, prepared)
  }

  async #commit(handled: Handled, prepared: Prepared): Promise<void> {
    const { progress, pace } = this.#options
    progress.handedIn()
    try {
      await this.#committed(handled, prepared)
      progress.committed(prepared.round.nextOffsets)
    } catch (error) {
      this.#failure = { error }
      pace.fail(error)
    } finally {
      this.#inFlight = undefined
    }
  }

  async #committed({ store, table, effects, dueMs }: Handled, prepared: Prepared): Promise<void> {
    const { id, clock, hooks, ledger, timers, timerCount } = this.#options
    const { changes, records, round } = prepared
    await ledger.commit(store, table, prepared)
    await timers.taken(store, effects.stale, changes, dueMs)
    timerCount.changed(changes)
    timerCount.dropped(effects.stale)
    tell(hooks, id, effects, { written: records.length, commitMs: clock.now() - round.nowMs })
  }
}
