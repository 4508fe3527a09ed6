import { ROUTE_LOOKUP, type Route } from '../../../streams/contracts/lookups.ts'
import type { Answer, Lookup } from '../../../streams/contracts/question.ts'
import type { Dice } from './dice.ts'
import type { History } from './history.ts'
import type { Process } from './process.ts'
import type { VirtualTime } from './virtual-time.ts'

/** How the routing engine answers for a message. */
export type RouteScript = 'found' | 'absent' | 'refused' | 'empty' | 'unavailable'

export interface RoutePlan {
  script: RouteScript
  readonly operatorId: string
}

/** The routing engine, with outages in which all questions fail or take too long. */
export class Routing {
  readonly plans = new Map<string, RoutePlan>()
  /** By message: how often a process was told that there is no answer. */
  readonly failures = new Map<string, number>()
  readonly #dice: Dice
  readonly #time: VirtualTime
  readonly #history: History
  #outage: { readonly untilMs: number; readonly kind: 'down' | 'slow' } = { untilMs: 0, kind: 'down' }

  constructor(dice: Dice, time: VirtualTime, history: History) {
    this.#dice = dice
    this.#time = time
    this.#history = history
  }

  outage(ms: number, kind: 'down' | 'slow'): string {
    this.#outage = { untilMs: this.#time.elapsedMs + ms, kind }
    return `${ms} ms`
  }

  heal(): void {
    this.#outage = { untilMs: 0, kind: 'down' }
  }

  readonly lookups = (process: Process): Readonly<Record<string, Lookup>> => ({
    [ROUTE_LOOKUP]: async (question) => {
      const { key } = question
      const { untilMs, kind } = this.#outage
      const isOut = this.#time.elapsedMs < untilMs
      if (isOut) this.#fails(key)
      await process.clock.sleep(isOut && kind === 'slow' ? this.#dice.int(500, 6000) : this.#dice.int(0, 60))
      const answer = this.#answer(key, process.clock.now(), isOut)
      this.#history.line(`${process.name} asked for ${key}: ${answer.kind}`)
      return answer
    },
  })

  #fails(messageId: string): void {
    this.failures.set(messageId, (this.failures.get(messageId) ?? 0) + 1)
  }

  #answer(messageId: string, at: number, isOut: boolean): Answer<Route> {
    const plan = this.plans.get(messageId)
    if (plan === undefined) throw new Error(`nobody sent ${messageId}`)
    const { script, operatorId } = plan
    if (script === 'unavailable' || script === 'empty') this.#fails(messageId)
    if (isOut || script === 'unavailable') return { kind: 'unavailable', reason: 'UNAVAILABLE', at }
    if (script === 'absent') return { kind: 'absent', at }
    if (script === 'refused') return { kind: 'refused', reason: 'INVALID_ARGUMENT', at }
    const routeId = script === 'empty' ? 'rt-0' : `rt-${operatorId.slice(0, 2)}`
    return { kind: 'found', value: { operatorId: script === 'empty' ? '' : operatorId, routeId }, at }
  }
}
