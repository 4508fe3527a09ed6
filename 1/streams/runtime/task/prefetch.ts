import type { Answer, Lookups, Question } from '../../contracts/question.ts'
import type { GivenAnswers } from '../../dsl/execute.ts'
import type { Questions } from '../../dsl/processor.ts'
import { NO_LONGER } from '../../platform/backoff.ts'
import type { Clock } from '../clock.ts'

/**
 * Answers the questions of a batch: equal ones once, all in parallel up to a bound that the whole
 * process shares, each within a deadline. A call that fails or is late is the answer `unavailable`;
 * what that means is for the processor to decide.
 */
export interface PrefetchOptions {
  readonly lookups: Lookups
  readonly clock: Clock
  /** [SL9]: 16 per process. */
  readonly inFlightMax: number
  /** Of one question, from when it is asked. */
  readonly deadlineMs: number
}

export class Prefetcher {
  readonly #options: PrefetchOptions
  readonly #waiting: (() => void)[] = []
  #inFlight = 0

  constructor(options: PrefetchOptions) {
    this.#options = options
  }

  /**
   * The answers in the order of `asked`, null where nothing was asked. `onAnswer` is called at each
   * answer. A batch has no more than `inFlightMax` questions asked or waiting at a time, so at most
   * that many times the tasks of the process wait here. What `answers` holds is not asked again;
   * what is asked is added to it.
   */
  async answer(
    asked: readonly (Questions | null)[],
    onAnswer: () => void = () => {},
    answers: Answers = new Map(),
  ): Promise<readonly GivenAnswers[]> {
    const open = new Map<string, Question<unknown>>()
    for (const questions of asked) {
      for (const question of Object.values(questions ?? {})) {
        if (!answers.has(idOf(question))) open.set(idOf(question), question)
      }
    }
    // One iterator for all: an asker that is done takes the next question.
    const questions = open.entries()
    const askOn = async (): Promise<void> => {
      for (const [id, question] of questions) {
        answers.set(id, await this.#ask(question))
        onAnswer()
      }
    }
    const askers = Math.min(open.size, this.#options.inFlightMax)
    await Promise.all(Array.from({ length: askers }, askOn))
    return asked.map((questions) => givenOf(questions, answers))
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
      answered.abort(NO_LONGER)
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

/** Equal questions have the same. */
export const idOf = (question: Question<unknown>): string => `${question.lookup}\0${question.key}`

export type Answers = Map<string, Answer<unknown>>

export function givenOf(questions: Questions | null, answers: Answers): GivenAnswers {
  if (questions === null) return null
  const found: Record<string, Answer<unknown>> = {}
  for (const [name, question] of Object.entries(questions)) {
    const answer = answers.get(idOf(question))
    if (answer !== undefined) found[name] = answer
  }
  return found
}
