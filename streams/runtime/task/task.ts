/**
 * Where a task stands, word by word:
 *
 * - *cursor*: the `next` of an input that the group has committed on the log
 * - *next*: first offset of an input that no round has taken; in a standing, that is not done
 * - *offered*: first offset that the buffer of an input has not been given; never below `next`
 * - *mark*: highest `next` ever committed; stays when the cursor is moved back; a replay is below
 *   it
 * - *checkpoint*: the next offset of each changelog that the local store lacks, and when that was
 * - *sight*: where all inputs ended when the log was last asked, and the instant of asking
 * - *horizon*: instant up to which timers fire: a sight read up to, no later than a waiting record
 * - *standing*: `next` and signs of life of one input, for the position watch
 */
import { changelogsOf } from '../../dsl/topology.ts'
import { LogError, type LogRecord, type LogTransactions } from '../../log/port.ts'
import { backoffMs } from '../../platform/backoff.ts'
import { DueTimers } from './due-timers.ts'
import { taskName, type TaskId } from '../watch/hooks.ts'
import { Inputs } from './inputs.ts'
import { Ledger } from './ledger.ts'
import { groupOf } from './names.ts'
import { OwnedStore } from '../store/owned-store.ts'
import type { TaskOptions } from './options.ts'
import { countByTopic, planRound, questionsOf, runSteps, type Effects, type Plan } from './round.ts'
import { Sources, type SourceStart } from './sources.ts'
import { StoreCorruptError, type Checkpoint, type Store } from '../store/store.ts'
import type { Standing } from '../watch/standing.ts'
import { tableOf, type Table } from '../store/table.ts'
import { TaskProgress, type Doing } from '../watch/task-progress.ts'
import { TimerCount } from './timer-count.ts'
import { Wake } from './wake.ts'

export type TaskState = 'opening' | 'running' | 'failed' | 'closed'

const REOPEN = { firstMs: 100, maxMs: 10_000, jitter: 0.2 }
/** By then the group has most likely said whose a fenced task is. */
const FENCED_WAIT_MS = 2000

/**
 * Partition p of a topology: the unit of ownership, restore and commit. One transactional id, one
 * local store.
 *
 * States. *opening*: fences, reads the cursor, restores the tail, seeks, then runs. *running*:
 * rounds of read, ask, handle, commit. A failed or unknown transaction leads back to opening, and
 * so does a broken store. A revocation leads to closed, a programmer error or a fatal one of the
 * log to failed. *failed*: needs a person; nothing is skipped. *closed*: the store is released.
 */
export class Task {
  readonly id: TaskId
  readonly #options: TaskOptions
  readonly #sources: Sources
  readonly #inputs: Inputs
  readonly #wake: Wake
  readonly #stop = new AbortController()
  readonly #transactions: LogTransactions
  readonly #local: OwnedStore
  readonly #ledger: Ledger
  readonly #timers: DueTimers
  #state: TaskState = 'opening'
  #store: Store | undefined
  #table: Table | undefined
  #lastCommitMs = 0
  readonly #timerCount = new TimerCount()
  readonly #progress: TaskProgress
  #done: Promise<void> | undefined

  constructor(options: TaskOptions) {
    const { topology, partition, log, app, limits, partitions } = options
    this.#options = options
    this.id = { topology: topology.name, partition }
    this.#sources = new Sources(topology, partition)
    this.#inputs = new Inputs(this.#sources.topics, limits, options.flow)
    this.#timers = new DueTimers(this.#inputs)
    this.#wake = new Wake(options.clock)
    this.#local = new OwnedStore({ ...options, id: this.id })
    this.#transactions = log.transactions({
      transactionalId: `${app}.${taskName(this.id)}`,
      timeoutMs: limits.transactionTimeoutMs,
    })
    const group = groupOf(app, topology.name)
    this.#progress = new TaskProgress(this.id, this.#inputs)
    this.#ledger = new Ledger({ group, topology, partition, transactions: this.#transactions, partitions })
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

  /** Where the local store stands; undefined until it has been opened. */
  get checkpoint(): Checkpoint | undefined {
    return this.#local.checkpoint
  }

  start(): void {
    this.#done ??= this.#live()
  }

  offer(topic: string, records: readonly LogRecord[], next: number): void {
    if (this.#state !== 'running') return
    this.#inputs.offer(topic, records, next)
    this.#wake.notify()
  }

  /**
   * Stops after the round in hand; the open round of a partition that was lost is fenced by its new
   * owner anyway.
   */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#wake.notify()
    await this.#done
    await this.#transactions.close()
    await this.#timerCount.stop()
    await this.#local.close()
    if (this.#state !== 'failed') this.#state = 'closed'
    this.#options.hooks.closed(this.id)
  }

  async #live(): Promise<void> {
    const { clock, random, hooks } = this.#options
    for (let attempt = 1; !this.#stop.signal.aborted; attempt += 1) {
      try {
        await this.#open()
        attempt = 0
        await this.#run()
      } catch (error) {
        this.#table?.dropped()
        if (error instanceof StoreCorruptError) {
          this.#pause()
          await this.#timerCount.stop()
          await this.#local.destroy(error)
          continue
        }
        if (!(error instanceof LogError) || error.code === 'fatal') return this.#fail(error)
        if (this.#stop.signal.aborted) return
        this.#pause()
        if (error.code === 'fenced') hooks.fenced(this.id)
        else hooks.recovering(this.id, error)
        const waitMs = error.code === 'fenced' ? FENCED_WAIT_MS : backoffMs(attempt, { ...REOPEN, random })
        await clock.sleep(waitMs, this.#stop.signal)
      }
    }
  }

  #pause(): void {
    this.#state = 'opening'
    this.#progress.recovering()
    for (const topic of this.#sources.topics) this.#options.flow(topic, 'pause')
  }

  #fail(error: unknown): void {
    this.#state = 'failed'
    this.#progress.failed()
    this.#options.hooks.failed(this.id, error)
  }

  /**
   * The take-over order must not change: fence, read the cursor, restore to the changelog's end,
   * seek.
   */
  async #open(): Promise<void> {
    const { log, app, topology, hooks, clock, limits } = this.#options
    this.#state = 'opening'
    await this.#transactions.fence()
    const { at } = this.#sources
    const committed = await log.admin.committed(groupOf(app, topology.name), at)
    const atMs = clock.now()
    const changelogs = changelogsOf(topology).map((topic) => this.#ledger.at(topic))
    const bounds = await log.admin.bounds([...at, ...changelogs])
    const starts = this.#sources.startsIn(committed, bounds)
    this.#progress.opened(new Map(starts.map(({ topic, next }) => [topic, next])))
    const store = await this.#local.restored({
      committed,
      bounds,
      signal: this.#stop.signal,
      onProgress: (done) => this.#progress.restored(done),
    })
    this.#store = store
    this.#table = tableOf(topology, store, limits.recentRowsMax)
    this.#ledger.open(store, committed)
    await this.#timers.open(store)
    this.#timers.seen({ atMs, ends: this.#sources.endsIn(bounds) })
    if (this.#stop.signal.aborted) return
    this.#timerCount.open(store)
    this.#state = 'running'
    for (const start of starts) this.#begin(start)
    this.#progress.running()
    hooks.running(this.id)
  }

  #begin({ topic, cursor, next }: SourceStart): void {
    if (cursor < next) this.#options.hooks.gap(this.id, topic, cursor, next)
    this.#inputs.reset(topic, next)
    this.#options.seek(topic, next)
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#awaitWork()
      if (this.#stop.signal.aborted) return
      await this.#round()
    }
  }

  /**
   * Work is a record or a due timer; few records wait for company until `commitMs` after the last
   * transaction began.
   */
  async #awaitWork(): Promise<void> {
    const { clock, limits } = this.#options
    while (!this.#stop.signal.aborted) {
      const nowMs = clock.now()
      if (this.#timers.needSight(nowMs)) {
        await this.#lookAhead(nowMs)
        continue
      }
      // A clock that was set back says nothing of the last transaction; waiting until it has caught
      // up may take hours.
      const sinceMs = nowMs - this.#lastCommitMs
      const pauseMs = sinceMs < 0 ? 0 : limits.commitMs - sinceMs
      const full = this.#inputs.size >= limits.recordsPerRoundMax
      const some = this.#inputs.size > 0 || this.#timers.areDue(nowMs)
      if (full || (some && pauseMs <= 0)) return
      await this.#wake.wait(some ? pauseMs : this.#timers.waitMs(nowMs))
    }
  }

  async #lookAhead(atMs: number): Promise<void> {
    const bounds = await this.#options.log.admin.bounds(this.#sources.at)
    this.#timers.seen({ atMs, ends: this.#sources.endsIn(bounds) })
  }

  async #round(): Promise<void> {
    const { clock, topology, limits } = this.#options
    const { store, table } = this.#opened()
    const nowMs = clock.now()
    this.#lastCommitMs = nowMs
    this.#progress.roundBegins()
    const records = this.#inputs.take(limits.recordsPerRoundMax)
    const timers = await this.#timers.take(store, nowMs, limits.timersPerRoundMax)
    const plan = planRound(topology, records, timers, this.#ledger.marks)
    const effects = await this.#handled(plan, table)
    const fired = timers.length - effects.stale.length
    await this.#commit(records, plan, effects, fired)
    await this.#timers.taken(store, effects.stale, clock.now())
    this.#timerCount.dropped(effects.stale)
    this.#progress.roundEnds()
  }

  /** Questions first, all at once; then the handlers, one after the other. */
  async #handled(plan: Plan, table: Table): Promise<Effects> {
    const { clock, prefetcher, hooks } = this.#options
    const startedMs = clock.now()
    const asked = questionsOf(plan.steps, table)
    const answers = await prefetcher.answer(asked, () => this.#progress.answered())
    const count = asked.filter((questions) => questions !== null).length
    if (count > 0) hooks.asked(this.id, count, clock.now() - startedMs)
    return runSteps(plan.steps, answers, table)
  }

  async #commit(records: readonly LogRecord[], plan: Plan, effects: Effects, fired: number): Promise<void> {
    const { clock, hooks } = this.#options
    const { store, table } = this.#opened()
    const nowMs = clock.now()
    const { poison } = plan
    const nextOffsets = this.#inputs.nextOffsets()
    const done = await this.#ledger.commit(store, table, { effects, poison, nextOffsets, nowMs })
    this.#timers.armed(done.earliestArmedMs)
    this.#timerCount.changed(done.changes)
    for (const { record, letter } of poison) {
      const paths = letter.errors.map(({ path }) => path)
      hooks.poisoned(this.id, record.topic, record.offset, letter.reason, paths)
    }
    if (effects.notes.length > 0) hooks.noted(this.id, effects.notes)
    const read = countByTopic(records)
    hooks.committed(this.id, { read, fired, written: done.written, commitMs: clock.now() - nowMs })
  }

  #opened(): { store: Store; table: Table } {
    if (!this.#store || !this.#table) throw new Error(`${taskName(this.id)} is not open`)
    return { store: this.#store, table: this.#table }
  }
}
