import {
  handleRecord,
  handleTimer,
  questionsOfRecord,
  questionsOfTimer,
  type Emission,
} from '../../dsl/execute.ts'
import type { Question } from '../../contracts/question.ts'
import type { Questions, ErasedProcessor } from '../../dsl/processor.ts'
import type { Note, Topology } from '../../dsl/topology.ts'
import { isReplayed, type LogRecord } from '../../log/port.ts'
import type { StoredTimer } from '../store/store.ts'
import type { Table } from '../store/table.ts'
import type { Breath } from './breath.ts'
import type { Inputs } from './inputs.ts'
import { givenOf, idOf, type Answers } from './prefetch.ts'
import { causeOfTimer, type Poison, type Reading, type ReadRecord } from './reading.ts'
import type { Queued, TimerQueue } from './timer-queue.ts'

export interface Effects {
  readonly emissions: Emission[]
  readonly notes: Note[]
  readonly poison: Poison[]
  /** Index entries whose timer was moved or dropped since. */
  readonly stale: StoredTimer[]
  /** Records handled, by topic. */
  readonly read: Map<string, number>
  fired: number
}

export const noEffects = (): Effects => ({
  emissions: [],
  notes: [],
  poison: [],
  stale: [],
  read: new Map(),
  fired: 0,
})

/** What the round began with has gone: a timer that was disarmed, or that has to wait after all. */
export const isEmpty = ({ read, fired, stale }: Effects): boolean => read.size + fired + stale.length === 0

export interface RoundOptions {
  readonly topology: Topology
  readonly reading: Reading
  readonly table: Table
  readonly inputs: Inputs
  readonly timers: TimerQueue
  readonly timersMax: number
  /** Timers are due up to here. */
  readonly nowMs: number
  readonly breath: Breath
  /** Handlers come next: what they need is there. */
  readonly begins: () => Promise<void>
  /** Adds what is asked to the answers. */
  readonly ask: (asked: readonly (Questions | null)[], answers: Answers) => Promise<void>
}

type Read = ReturnType<Reading['read']>

/**
 * One round of a task, without its commit. It handles records in the order of `Inputs`, and before
 * each the timers that are due earlier, those too that the round itself has armed: a receipt of the
 * 25th hour must not beat a grace of 24 hours because both were read late. It ends early where
 * something may come next that is not known yet. So what the handlers do is the same whatever the
 * size of the rounds.
 *
 * Questions are asked for all records at once before the first handler runs, and asked again one by
 * one where a handler before has changed what there is to ask.
 */
export class Round {
  readonly #options: RoundOptions
  readonly #effects = noEffects()
  readonly #answers: Answers = new Map()
  /**
   * Question → with which of the round's batches it was asked. The first is of what it begins with.
   */
  readonly #batches = new Map<string, number>()
  #batch = 0
  readonly #byStore: ReadonlyMap<string, ErasedProcessor>
  #turns = 0

  constructor(options: RoundOptions) {
    this.#options = options
    this.#byStore = new Map(
      options.topology.processors.flatMap((one) => (one.state === undefined ? [] : [[one.state.store, one]])),
    )
  }

  /** A throw of a handler is a programmer error and passes through. */
  async run(records: readonly LogRecord[], due: readonly StoredTimer[]): Promise<Effects> {
    const { table, timers, inputs } = this.#options
    table.onArmed = (timer) => {
      inputs.seenBefore(timer.dueMs)
      timers.add(timer, this.#batch)
    }
    const read = await this.#prepared(records, due)
    await this.#options.begins()
    await this.#steps(read)
    table.onArmed = () => {}
    return this.#effects
  }

  async #steps(read: readonly Read[]): Promise<void> {
    const { inputs, breath } = this.#options
    for (let at = 0; ; ) {
      const next = read[at]
      const turn = this.#turnBefore(next?.record ?? inputs.peek())
      if (turn === 'unknown' || (turn === undefined && next === undefined)) return
      if (turn !== undefined) await this.#fire(turn)
      else if (next !== undefined) {
        const asked = this.#questionsOf(next)
        if (!this.#areAnswered(asked, 0)) await this.#askMidway(asked)
        this.#handle(next, asked)
        at += 1
      }
      if (breath.isDue) await breath.pause()
    }
  }

  async #readAll(records: readonly LogRecord[]): Promise<readonly Read[]> {
    const { reading, table, breath } = this.#options
    const all: Read[] = []
    for (const record of records) {
      const read = reading.read(record)
      all.push(read)
      if (read.poison === undefined)
        for (const { state } of read.processors)
          if (state !== undefined) table.wants(state.store, read.cause.key)
      if (breath.isDue) await breath.pause()
    }
    return all
  }

  /** Reads all records, and asks what they and the timers ask as things stand. */
  async #prepared(records: readonly LogRecord[], due: readonly StoredTimer[]): Promise<readonly Read[]> {
    const { table, breath } = this.#options
    const all = await this.#readAll(records)
    for (const { store, key } of due) table.wants(store, key)
    await table.fetch()
    const asked: (Questions | null)[] = []
    for (const read of all) {
      if (read.poison === undefined && read.asks) asked.push(...this.#questionsOf(read))
      if (breath.isDue) await breath.pause()
    }
    asked.push(...due.map((timer) => this.#questionsOfTimer(timer)))
    await this.#ask(asked)
    return all
  }

  /**
   * The timer that comes before the record, or before nothing when there is none. A record that was
   * replayed upstream bears an old time: it neither waits for timers nor holds them back.
   */
  #turnBefore(record: LogRecord | undefined): Queued | 'unknown' | undefined {
    const { timers, inputs, timersMax, nowMs } = this.#options
    const first = timers.first()
    if (first === undefined) return undefined
    const dueMs = first === 'beyond' ? timers.beyondMs : first.timer.dueMs
    const isFree = record !== undefined && isReplayed(record.headers)
    if (record !== undefined && !isFree && dueMs >= record.timestamp) return undefined
    if (!inputs.vouchFor(dueMs, nowMs)) return isFree ? undefined : 'unknown'
    return first === 'beyond' || this.#turns >= timersMax ? 'unknown' : first
  }

  #handle(read: Read, asked: readonly (Questions | null)[]): void {
    const { record } = read
    if (read.poison !== undefined) this.#effects.poison.push(read.poison)
    else this.#handleAll(read, asked)
    this.#options.inputs.handled(record)
    this.#effects.read.set(record.topic, (this.#effects.read.get(record.topic) ?? 0) + 1)
  }

  #handleAll(
    { processors, record: { topic }, value, cause }: ReadRecord,
    asked: readonly (Questions | null)[],
  ): void {
    let at = 0
    for (const processor of processors) {
      const answers = givenOf(asked[at] ?? null, this.#answers)
      handleRecord(processor, topic, value, cause, answers, this.#options.table, this.#sink)
      at += 1
    }
  }

  /**
   * What it asks is asked after it was armed: it may have been armed to hear another answer.
   * Whatever else is armed by then is asked for with it.
   */
  async #fire(queued: Queued): Promise<void> {
    const { timers } = this.#options
    const { timer, batch } = queued
    const asked = [this.#questionsOfTimer(timer)]
    if (!this.#areAnswered(asked, batch))
      await this.#askMidway(
        timers
          .armed()
          .map((one) => this.#questionsOfTimer(one.timer))
          .concat(asked),
      )
    timers.drop(queued)
    this.#turns += 1
    const answers = givenOf(asked[0] ?? null, this.#answers)
    const processor = this.#ownerOf(timer)
    const cause = causeOfTimer(timer)
    if (handleTimer(processor, timer.timer, cause, answers, this.#options.table, this.#sink))
      this.#effects.fired += 1
    else if (batch === 0) this.#effects.stale.push(timer)
  }

  readonly #sink = {
    emit: (emission: Emission): void => {
      this.#effects.emissions.push(emission)
    },
    note: (note: Note): void => {
      this.#effects.notes.push(note)
    },
  }

  /** Of each processor that handles the record, as things stand. */
  #questionsOf(read: Read): readonly (Questions | null)[] {
    if (read.poison !== undefined || !read.asks) return NONE
    const { processors, record, value, cause } = read
    const { table } = this.#options
    return processors.map((processor) => questionsOfRecord(processor, record.topic, value, cause, table))
  }

  #questionsOfTimer(timer: StoredTimer): Questions | null {
    return questionsOfTimer(this.#ownerOf(timer), timer.timer, timer.key, this.#options.table)
  }

  #ownerOf({ store, timer }: StoredTimer): ErasedProcessor {
    const processor = this.#byStore.get(store)
    if (processor === undefined)
      throw new Error(`timer ${timer} belongs to no store of ${this.#options.topology.name}`)
    return processor
  }

  /** By a batch after the given one. */
  #areAnswered(asked: readonly (Questions | null)[], after: number): boolean {
    if (asked.length === 0) return true
    const isNew = (question: Question<unknown>): boolean => (this.#batches.get(idOf(question)) ?? 0) > after
    return asked.every((questions) => questions === null || Object.values(questions).every(isNew))
  }

  async #askMidway(asked: readonly (Questions | null)[]): Promise<void> {
    await this.#ask(asked)
    await this.#options.begins()
  }

  async #ask(asked: readonly (Questions | null)[]): Promise<void> {
    this.#batch += 1
    const questions = asked.flatMap((one) => Object.values(one ?? {}))
    if (questions.length === 0) return
    for (const question of questions) {
      this.#answers.delete(idOf(question))
      this.#batches.set(idOf(question), this.#batch)
    }
    await this.#options.ask(asked, this.#answers)
  }
}

const NONE: readonly (Questions | null)[] = []
