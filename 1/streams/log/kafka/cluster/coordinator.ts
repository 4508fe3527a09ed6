import { BrokerError, remedyFor } from './broker-error.ts'
import { Attempts, URGENT_MS_MAX } from './clock.ts'
import type { Brokers } from './cluster.ts'
import type { CallFor } from '../wire/call.ts'
import type { Lane } from '../wire/broker-connections.ts'

/** A request to a coordinator that may be repeated without harm. */
export interface Repeatable<Answer extends object> {
  readonly name: string
  readonly call: CallFor<Answer>
  /** The first code that is not 0, or 0. */
  readonly codeOf: (answer: Answer) => number
  /** Told of every attempt whose answer is lost: that one may still arrive. */
  readonly onLost?: () => void
}

const AGAIN = new Set(['lost', 'later', 'elsewhere', 'coordinator'])

/** Reaches the coordinator of one group or transactional id, wherever it has moved to. */
export class Coordinator {
  readonly #cluster: Brokers
  readonly #lane: Lane
  readonly #kind: 'group' | 'transaction'
  readonly #key: string

  constructor(cluster: Brokers, lane: Lane, kind: 'group' | 'transaction', key: string) {
    this.#cluster = cluster
    this.#lane = lane
    this.#kind = kind
    this.#key = key
  }

  /**
   * Repeats until the deadline; rejects with the last error then, and at once with one that no
   * repetition cures.
   */
  async ask<Answer extends object>(request: Repeatable<Answer>, deadline: number): Promise<Answer> {
    const attempts = new Attempts(this.#cluster.clock, deadline, URGENT_MS_MAX)
    for (;;) {
      try {
        return await this.once(request)
      } catch (error) {
        const remedy = remedyFor(error)
        if (remedy === undefined || !AGAIN.has(remedy)) throw error
        if (!(await attempts.another())) throw error
      }
    }
  }

  /** One attempt; a coordinator that is not one any more is looked for at the next. */
  async once<Answer extends object>({ name, call, codeOf, onLost }: Repeatable<Answer>): Promise<Answer> {
    try {
      const nodeId = await this.#cluster.coordinatorOf(this.#kind, this.#key)
      const answer = await this.#cluster.send(this.#lane, nodeId, call)
      const code = codeOf(answer)
      if (code === 0) return answer
      throw new BrokerError(code, name)
    } catch (error) {
      const remedy = remedyFor(error)
      if (remedy === 'lost') onLost?.()
      if (remedy === 'lost' || remedy === 'coordinator')
        this.#cluster.forgetCoordinator(this.#kind, this.#key)
      throw error
    }
  }
}
