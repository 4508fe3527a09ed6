import type { Answer, Lookups, Question } from '../contracts/question.ts'
import type { GivenAnswers } from '../dsl/execute.ts'
import type { Questions } from '../dsl/processor.ts'
import type { Clock } from './clock.ts'

/**
 * Answers the questions of a batch: equal ones once, all in parallel up to a bound that the whole process shares, each within
 * a deadline. A call that fails or is late is the answer `unavailable`; what that means is for the processor to decide.
 */
export interface PrefetchOptions {
  readonly lookups: Lookups
  readonly clock: Clock
  /** Spec operations.md §5: 16 per process. */
  readonly inFlightMax: number
  /** Of one question, waiting for a place included. */
  readonly deadlineMs: number
}

export class Prefetcher {
  readonly #options: PrefetchOptions
  readonly #waiting: (() => void)[] = []
  #inFlight = 0

  constructor(options: PrefetchOptions) {
    this.#options = options
  }

  /** The answers in the order of `asked`, null where nothing was asked. */
  async answer(asked: readonly (Questions | null)[]): Promise<readonly GivenAnswers[]> {
    const calls = new Map<string, Promise<Answer<unknown>>>()
    for (const questions of asked) {
      for (const question of Object.values(questions ?? {})) {
        const id = idOf(question)
        if (!calls.has(id)) calls.set(id, this.#ask(question))
      }
    }
    const answers = new Map<string, Answer<unknown>>()
    for (const [id, call] of calls) answers.set(id, await call)
    return asked.map((questions) => (questions === null ? null : given(questions, answers)))
  }

  async #ask(question: Question<unknown>): Promise<Answer<unknown>> {
    const { lookups, clock } = this.#options
    const lookup = lookups[question.lookup]
    if (lookup === undefined) throw new Error(`nobody answers the lookup ${question.lookup}`)
    await this.#enter()
    const answered = new AbortController()
    try {
      return await Promise.race([lookup(question), this.#late(answered.signal)])
    } catch {
      return { kind: 'unavailable', reason: 'INTERNAL', at: clock.now() }
    } finally {
      answered.abort()
      this.#leave()
    }
  }

  async #late(answered: AbortSignal): Promise<Answer<unknown>> {
    const { clock, deadlineMs } = this.#options
    await clock.sleep(deadlineMs, answered)
    return { kind: 'unavailable', reason: 'DEADLINE_EXCEEDED', at: clock.now() }
  }

  async #enter(): Promise<void> {
    if (this.#inFlight < this.#options.inFlightMax) {
      this.#inFlight += 1
      return
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** A place is handed over rather than freed, so that the bound holds between the two. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#inFlight -= 1
    else next()
  }
}

const idOf = (question: Question<unknown>): string => `${question.lookup}\0${question.key}`

function given(questions: Questions, answers: ReadonlyMap<string, Answer<unknown>>): GivenAnswers {
  const found: Record<string, Answer<unknown>> = {}
  for (const [name, question] of Object.entries(questions)) {
    const answer = answers.get(idOf(question))
    if (answer !== undefined) found[name] = answer
  }
  return found
}
