import {
  LogError,
  OutdatedError,
  type CursorMove,
  type LogClient,
  type LogTransactions,
  type Membership,
  type Written,
} from '../../log/port.ts'
import type { Clock } from '../clock.ts'
import type { TaskLimits } from '../limits.ts'
import { taskName, type Hooks } from '../watch/hooks.ts'
import { Breath } from '../task/breath.ts'
import type { Part } from './part.ts'
import { Tempo } from './tempo.ts'

export interface CommitterOptions {
  readonly log: LogClient
  /** Of this process and of no other, also not of a former one. */
  readonly transactionalId: string
  readonly clock: Clock
  readonly limits: Pick<TaskLimits, 'commitMs' | 'quietCommitMs' | 'transactionTimeoutMs'>
  readonly hooks: Pick<Hooks, 'outdated'>
}

interface Waiting {
  readonly part: Part
  readonly resolve: (written: Written) => void
  readonly reject: (error: unknown) => void
  /** It was in a transaction that the log refuses for good, perhaps for its own fault. */
  isAlone: boolean
  /** The generation for which its cursors moved last, and the one for which they were refused. */
  staged: number | undefined
  refused: number | undefined
}

/** Thrown inside of a transaction to undo it: one part cannot be in it. */
class NotThis extends Error {
  readonly waiting: Waiting

  constructor(waiting: Waiting, cause: unknown) {
    super('a part cannot be committed', { cause })
    this.waiting = waiting
  }
}

/**
 * The only writer of a process: one transaction at a time, with what all tasks have handed in until
 * it begins, under one transactional id. It fences its own former self; other members are fenced by
 * the generation of their group, which goes with the cursors (KIP-447, ADR 0035).
 */
export class Committer {
  readonly id: string
  readonly tempo: Tempo
  readonly breath: Breath
  readonly #options: CommitterOptions
  /** Absent until they are needed: one that only keeps standbys writes nothing. */
  #transactions: LogTransactions | undefined
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined
  #fencing: Promise<void> | undefined
  #isFenced = false
  readonly #ending = new Map<string, Promise<void>>()

  constructor(options: CommitterOptions) {
    this.#options = options
    this.id = options.transactionalId
    this.tempo = new Tempo(options.clock, options.limits)
    this.breath = new Breath(options.clock)
  }

  /**
   * Nothing is open of what this process has ever begun. Must precede reading cursors (take-over
   * order).
   */
  async ready(): Promise<void> {
    if (this.#isFenced) return
    // It ends with the fence and not with whoever waited for it: two at a time would be an error.
    this.#fencing ??= this.#fence().finally(() => {
      this.#fencing = undefined
    })
    await this.#fencing
  }

  /** Ends what a writer that is gone may have left open: until then it holds readers back. */
  async end(transactionalId: string): Promise<void> {
    const under = this.#ending.get(transactionalId)
    const ending =
      under ?? this.#end(transactionalId).finally(() => void this.#ending.delete(transactionalId))
    this.#ending.set(transactionalId, ending)
    await ending
  }

  /**
   * Resolves when the part is durable. Rejects with `fenced` when its partition was lost before,
   * with `unknown` when it may have been committed, and with whatever else kept this part, not
   * another one, from being so.
   */
  commit(part: Part): Promise<Written> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ part, resolve, reject, isAlone: false, staged: undefined, refused: undefined })
      this.tempo.handedIn()
      this.#running ??= this.#run()
    })
  }

  /** A group has assigned partitions: what waited for that is looked at again. */
  reassigned(): void {
    this.tempo.notify()
  }

  async close(): Promise<void> {
    await this.#running
    await this.#transactions?.close()
  }

  async #fence(): Promise<void> {
    try {
      await this.#ours().fence()
    } catch (error) {
      throw error instanceof LogError && error.code === 'fenced' ? wasEnded(this.id, error) : error
    }
    this.#isFenced = true
  }

  async #end(transactionalId: string): Promise<void> {
    const theirs = this.#under(transactionalId)
    await theirs.fence()
    await theirs.close()
  }

  #ours(): LogTransactions {
    return (this.#transactions ??= this.#under(this.id))
  }

  #under(transactionalId: string): LogTransactions {
    const { log, limits } = this.#options
    return log.transactions({ transactionalId, timeoutMs: limits.transactionTimeoutMs })
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.tempo.untilCollected((task) =>
        this.#waiting.some(({ part }) => taskName(part.task) === task),
      )
      this.#dropLost()
      const next = this.#take()
      if (next.length > 0) await this.#transact(next)
      else if (this.#waiting.length > 0) await this.tempo.untilNotified()
    }
    this.#running = undefined
  }

  #dropLost(): void {
    const lost = this.#waiting.filter(({ part }) => part.owner.member() === undefined)
    this.#waiting = this.#waiting.filter((one) => !lost.includes(one))
    for (const { part, reject } of lost) reject(isLost(part))
  }

  /** All that may be committed now; a part that is to be tried alone is. */
  #take(): readonly Waiting[] {
    const free = this.#waiting.filter(
      ({ part, refused }) => refused === undefined || part.owner.member()?.generation !== refused,
    )
    const alone = free.find(({ isAlone }) => isAlone)
    const taken = alone === undefined ? firstOf(free) : [alone]
    this.#waiting = this.#waiting.filter((one) => !taken.includes(one))
    return taken
  }

  async #transact(taken: readonly Waiting[]): Promise<void> {
    this.tempo.begins()
    try {
      await this.ready()
      const records = taken.flatMap(({ part }) => part.records)
      const written = await this.#ours().commit({ records, moves: movesOf(taken) })
      for (const { resolve } of taken) resolve(written)
    } catch (error) {
      this.#settle(taken, error)
    } finally {
      this.tempo.ends()
    }
  }

  /** Who is to hear of a transaction that failed; nothing has happened unless that is `unknown`. */
  #settle(taken: readonly Waiting[], error: unknown): void {
    if (error instanceof NotThis) {
      error.waiting.reject(error.cause)
      return this.#again(taken.filter((one) => one !== error.waiting))
    }
    if (error instanceof OutdatedError) return this.#outdated(taken, error.group)
    const code = error instanceof LogError ? error.code : undefined
    if (code === 'fatal' && taken.length > 1) {
      for (const one of taken) one.isAlone = true
      return this.#again(taken)
    }
    // Somebody has ended our transaction: the cursors tell whether before it was committed.
    if (code === 'unknown' || code === 'fenced') this.#isFenced = false
    const reason = code === 'fenced' ? wasEnded(this.id, error) : error
    for (const { reject } of taken) reject(reason)
  }

  /**
   * The group refuses what is moved for a generation that is over. Who has what, it is yet to say.
   */
  #outdated(taken: readonly Waiting[], group: string): void {
    for (const one of taken) {
      if (one.part.group !== group) continue
      one.refused = one.staged
      this.#options.hooks.outdated(one.part.task)
    }
    this.#again(taken)
  }

  #again(taken: readonly Waiting[]): void {
    this.#waiting = [...taken, ...this.#waiting]
  }
}

/** By a member that took us for gone, or because a transaction took too long. We are not. */
const wasEnded = (id: string, cause: unknown): LogError => new LogError('unknown', `${id} was ended`, cause)

/**
 * What a transaction holds is held in memory until it is over, and no part is done before all are.
 * Of a backlog the next one takes the rest, while the tasks of this one go on.
 */
const RECORDS_MAX = 20_000

function firstOf(free: readonly Waiting[]): readonly Waiting[] {
  let records = 0
  const end = free.findIndex(({ part }) => {
    records += part.records.length
    return records >= RECORDS_MAX
  })
  return end === -1 ? free : free.slice(0, end + 1)
}

/** By group. All parts of one group are of one member, in one generation. */
function movesOf(taken: readonly Waiting[]): readonly CursorMove[] {
  const byGroup = new Map<string, Waiting[]>()
  for (const one of taken) byGroup.set(one.part.group, [...(byGroup.get(one.part.group) ?? []), one])
  return [...byGroup].map(([group, waiting]) => ({
    group,
    cursors: (written) => waiting.flatMap((one) => cursorsOf(one, written)),
    member: () => memberOf(waiting),
  }))
}

function cursorsOf(waiting: Waiting, written: Written) {
  try {
    const member = waiting.part.owner.member()
    if (member === undefined) throw isLost(waiting.part)
    waiting.staged = member.generation
    return waiting.part.cursors(written)
  } catch (error) {
    throw new NotThis(waiting, error)
  }
}

function memberOf([first]: readonly Waiting[]): Membership {
  const member = first?.part.owner.member()
  if (member === undefined) throw new Error('a part without an owner is taken out before')
  return member
}

const isLost = ({ task }: Part): LogError =>
  new LogError('fenced', `${taskName(task)} is not this member's any more`)
