/**
 * Where a task stands, word by word:
 *
 * - *cursor*: the `next` of an input that the group has committed on the log
 * - *next*: first offset of an input that no round has taken; in a standing, that is not done
 * - *offered*: first offset that the buffer of an input has not been given; never below `next`
 * - *mark*: highest `next` ever committed; stays when the cursor is moved back; a replay is below
 *   it; holds for the topic of one id only
 * - *checkpoint*: the next offset of each changelog that the local store lacks, and when that was
 * - *sight*: where all inputs ended when the log was last asked, and the instant of asking
 * - *origin*: where an input goes on when the task opens, and whether it is what was read before
 * - *standing*: `next` and signs of life of one input, for the position watch
 */
import type { Questions } from '../../dsl/processor.ts'
import { asksFirst } from '../../dsl/topology.ts'
import { isReplayed, LogError, type LogRecord } from '../../log/port.ts'
import { backoffMs } from '../../platform/backoff.ts'
import { OwnedStore } from '../store/owned-store.ts'
import { StoreCorruptError, StoreFailedError, type Checkpoint, type Store } from '../store/store.ts'
import { tableOf, type Table } from '../store/table.ts'
import { taskName, type TaskId } from '../watch/hooks.ts'
import type { Standing } from '../watch/standing.ts'
import { TaskProgress, type Doing } from '../watch/task-progress.ts'
import { DueTimers } from './due-timers.ts'
import { Inputs } from './inputs.ts'
import type { Answers } from './prefetch.ts'
import { Commits } from './commits.ts'
import { Ledger } from './ledger.ts'
import { groupOf } from './names.ts'
import { Opening } from '../opening/opening.ts'
import type { TaskOptions } from './options.ts'
import type { Origin } from '../opening/origin.ts'
import { Pace } from './pace.ts'
import { Reading } from './reading.ts'
import { isEmpty, noEffects, Round, type Effects } from './round.ts'
import { Sources } from '../opening/sources.ts'
import { TimerCount } from './timer-count.ts'
import { TimerQueue } from './timer-queue.ts'

export type TaskState = 'opening' | 'running' | 'failed' | 'closed'

const REOPEN = { firstMs: 100, maxMs: 10_000, jitter: 0.2 }

/**
 * Partition p of a topology: the unit of ownership and restore, with one local store. States.
 * *opening*: reads the cursor, restores the tail, seeks, then runs. *running*: rounds of read, ask,
 * handle, commit; while one commits, with those of other tasks, the next is handled. A failed or
 * unknown transaction leads back to opening, and so does a store that is broken, full or taken. A
 * revocation leads to closed, a programmer error or a fatal one of the log to failed, which needs a
 * person.
 */
export class Task {
  readonly id: TaskId
  readonly #options: TaskOptions
  readonly #sources: Sources
  readonly #inputs: Inputs
  readonly #pace: Pace
  readonly #stop = new AbortController()
  readonly #local: OwnedStore
  readonly #ledger: Ledger
  readonly #timers: DueTimers
  readonly #opening: Opening
  readonly #commits: Commits
  readonly #reading: Reading
  readonly #asks: boolean
  #state: TaskState = 'opening'
  #store: Store | undefined
  #table: Table | undefined
  readonly #timerCount = new TimerCount()
  readonly #progress: TaskProgress
  #done: Promise<void> | undefined

  constructor(options: TaskOptions) {
    const { topology, partition, app, limits } = options
    this.#options = options
    const id = (this.id = { topology: topology.name, partition })
    const sources = (this.#sources = new Sources(topology, partition))
    const inputs = (this.#inputs = new Inputs(sources.topics, limits, options.flow))
    const timers = (this.#timers = new DueTimers(inputs))
    const local = (this.#local = new OwnedStore({ ...options, id }))
    const progress = (this.#progress = new TaskProgress(id, inputs))
    const group = groupOf(app, topology.name)
    const ledger = (this.#ledger = new Ledger({ ...options, group }))
    this.#reading = new Reading(topology, ledger.marks.all)
    const { signal } = this.#stop
    const { tempo } = options.committer
    const asks = (this.#asks = asksFirst(topology))
    const pace = (this.#pace = new Pace({ ...options, id, asks, tempo, inputs, timers, sources, signal }))
    const counted = { timers, timerCount: this.#timerCount }
    this.#commits = new Commits({ ...options, ...counted, id, inputs, ledger, progress, pace })
    this.#opening = new Opening({ ...options, id, sources, local, ledger, progress, signal })
  }

  get state(): TaskState {
    return this.#state
  }

  get doing(): Doing {
    return this.#progress.doing
  }

  get buffered(): number {
    return this.#inputs.size
  }

  /** Armed timers by changelog topic; undefined until they have been counted. */
  pendingTimers(): ReadonlyMap<string, number> | undefined {
    return this.#timerCount.pendingOf(this.id.topology)
  }

  standings(): readonly Standing[] {
    return this.#state === 'closed' ? [] : this.#progress.standings(this.#sources.topics)
  }

  /** Of the local store; undefined until it has been opened. */
  get checkpoint(): Checkpoint | undefined {
    return this.#local.checkpoint
  }

  start(): void {
    this.#done ??= this.#live()
  }

  offer(topic: string, records: readonly LogRecord[], next: number): void {
    if (this.#state !== 'running') return
    this.#inputs.offer(topic, records, next)
    const newest = records.findLast(({ headers }) => !isReplayed(headers))
    if (newest !== undefined) this.#options.time.saw(newest.timestamp)
    this.#pace.notify()
  }

  /** The log gives no more of an input, whose partition stands still until it is sought. */
  stopped(error: LogError): void {
    if (this.#state === 'running') this.#pace.stop(error)
  }

  /**
   * Stops after the round in hand and commits it, unless the partition was lost: then the group
   * refuses it, and its new owner repeats it.
   */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#pace.notify()
    await this.#done
    await this.#timerCount.stop()
    this.#table?.close()
    await this.#local.close()
    if (this.#state !== 'failed') this.#state = 'closed'
    this.#options.hooks.closed(this.id)
  }

  async #live(): Promise<void> {
    for (let attempt = 1; !this.#stop.signal.aborted; attempt += 1) {
      try {
        await this.#open()
        attempt = 0
        await this.#run()
      } catch (error) {
        this.#pace.leave()
        // What is in flight would be committed to a store that is being opened again.
        await this.#commits.settled()
        this.#table?.dropped()
        if (!(await this.#recovers(error))) return
        const { clock, random } = this.#options
        await clock.sleep(backoffMs(Math.max(1, attempt), { ...REOPEN, random }), this.#stop.signal)
      }
    }
  }

  /** True to open again, after a pause. */
  async #recovers(error: unknown): Promise<boolean> {
    const { hooks } = this.#options
    if (error instanceof StoreCorruptError || error instanceof StoreFailedError) {
      this.#pause()
      hooks.recovering(this.id, error)
      await this.#timerCount.stop()
      await this.#local.letGo(error).catch((failure: unknown) => hooks.recovering(this.id, failure))
      return true
    }
    if (!(error instanceof LogError) || error.code === 'fatal') return this.#fail(error)
    if (this.#stop.signal.aborted) return false
    this.#pause()
    // Its partition was lost, and whoever owns it is about to close it.
    if (error.code === 'fenced') return false
    hooks.recovering(this.id, error)
    return true
  }

  #pause(): void {
    this.#state = 'opening'
    this.#progress.recovering()
    for (const topic of this.#sources.topics) this.#options.flow(topic, 'pause')
  }

  #fail(error: unknown): false {
    this.#state = 'failed'
    this.#progress.failed()
    this.#options.hooks.failed(this.id, error)
    return false
  }

  async #open(): Promise<void> {
    const { limits, rows, topology, hooks } = this.#options
    this.#state = 'opening'
    this.#commits.open()
    const taken = await this.#opening.takeOver()
    if (taken === undefined) return
    const { store, origins } = taken
    this.#store = store
    this.#table?.close()
    this.#table = tableOf(topology, store, { ...limits, budget: rows })
    await this.#timers.open(store)
    if (this.#stop.signal.aborted) return
    this.#timerCount.open(store)
    this.#state = 'running'
    for (const origin of origins) this.#begin(origin)
    await this.#pace.open(origins)
    this.#progress.running()
    hooks.running(this.id)
  }

  #begin({ topic, cursor, next }: Origin): void {
    if (cursor < next) this.#options.hooks.gap(this.id, topic, cursor, next)
    this.#inputs.reset(topic, next)
    this.#options.seek(topic, next)
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    if (this.#ledger.marks.areCorrected && !signal.aborted)
      await this.#commit(noEffects(), this.#options.time.now())
    while (!this.#stop.signal.aborted) {
      const nowMs = await this.#pace.work()
      if (nowMs !== undefined) await this.#round(nowMs)
    }
    this.#pace.leave()
    await this.#commits.settled()
  }

  async #round(nowMs: number): Promise<void> {
    const { tempo } = this.#options.committer
    const task = taskName(this.id)
    // The index lacks what the round before has armed, and has what it has fired.
    if (this.#timers.mayBeDue(nowMs)) await this.#commits.settled()
    if (!this.#asks) tempo.roundBegins(task)
    try {
      const effects = await this.#handled(nowMs)
      if (isEmpty(effects)) await this.#timers.taken(this.#opened().store, [], [], nowMs)
      else await this.#commit(effects, nowMs)
    } finally {
      tempo.roundEnds(task)
    }
    this.#progress.roundEnds()
  }

  #commit(effects: Effects, dueMs: number): Promise<void> {
    return this.#commits.handIn({ ...this.#opened(), effects, dueMs })
  }

  /** A round without its commit. */
  async #handled(nowMs: number): Promise<Effects> {
    const { limits, topology } = this.#options
    const { store, table } = this.#opened()
    this.#progress.roundBegins()
    const records = this.#inputs.take(limits.recordsPerRoundMax)
    const due = await this.#timers.upTo(store, nowMs, limits.timersPerRoundMax)
    const round = new Round({
      topology,
      reading: this.#reading,
      table,
      inputs: this.#inputs,
      timers: new TimerQueue(due, limits.timersPerRoundMax, nowMs),
      timersMax: limits.timersPerRoundMax,
      nowMs,
      breath: this.#options.committer.breath,
      begins: () => this.#options.committer.tempo.turn(taskName(this.id)),
      ask: (asked, answers) => this.#ask(asked, answers),
    })
    const effects = await round.run(records, due)
    this.#inputs.settle()
    return effects
  }

  async #ask(asked: readonly (Questions | null)[], answers: Answers): Promise<void> {
    const { clock, prefetcher, hooks, committer } = this.#options
    const startedMs = clock.now()
    // Others do not wait for an answer from outside.
    committer.tempo.roundEnds(taskName(this.id))
    await prefetcher.answer(asked, () => this.#progress.answered(), answers)
    hooks.asked(this.id, asked.filter((one) => one !== null).length, clock.now() - startedMs)
  }

  #opened(): { store: Store; table: Table } {
    if (!this.#store || !this.#table) throw new Error(`${taskName(this.id)} is not open`)
    return { store: this.#store, table: this.#table }
  }
}
