import { HeldPartitions } from '../reading/held-partitions.ts'
import { BrokerError } from '../cluster/broker-error.ts'
import type { Brokers } from '../cluster/cluster.ts'
import type { ApiVersions, CallFor, RequestBody } from '../wire/call.ts'
import type { ModelBroker, Request } from './model-broker.suite.ts'

/**
 * What becomes of a request: it arrives and is answered; its answer is lost; it is lost itself; its
 * sender hears nothing and it arrives right before the nth request after it; or it is answered with
 * a code although it was taken.
 */
export type Fate =
  | 'answered'
  | 'answer lost'
  | 'lost'
  | { readonly late: number }
  | { readonly refused: number }

/** No answer: the code that a broker gives when it cannot tell what became of a request. */
const LOST = -1

/** What a request and its answer take, so that deadlines pass. */
const TRIP_MS = 10

/** All that is asked for here, in every version. */
const EVERYTHING = { minVersion: 0, maxVersion: 12 }
const VERSIONS: ApiVersions = new Map([0, 18, 22, 24, 25, 26, 28].map((apiKey) => [apiKey, EVERYTHING]))

/** The way to a model of the brokers, on which requests meet the fates of a script. */
export class LateNetwork {
  readonly brokers: Brokers
  /** The api keys of all requests so far. */
  readonly sent: number[] = []
  readonly #model: ModelBroker
  readonly #fateOf: (index: number, apiKey: number) => Fate
  readonly #observe: () => void
  readonly #late: { readonly at: number; readonly request: Request }[] = []
  #nowMs = 0

  /** @param observe is called after every request that the brokers have taken */
  constructor(model: ModelBroker, fateOf: (index: number, apiKey: number) => Fate, observe: () => void) {
    this.#model = model
    this.#fateOf = fateOf
    this.#observe = observe
    const sleep = (ms: number): Promise<void> => {
      this.#nowMs += ms
      return Promise.resolve()
    }
    this.brokers = {
      compression: 'none',
      held: new HeldPartitions(),
      clock: { now: () => this.#nowMs, random: () => 0.5, sleep },
      send: (_lane, _nodeId, call) => this.#send(call),
      sendAny: (call) => this.#send(call),
      knownLeader: () => 1,
      leaderOf: () => Promise.resolve(1),
      forgetTopic: () => undefined,
      coordinatorOf: () => Promise.resolve(1),
      forgetCoordinator: () => undefined,
    }
  }

  /** All that is still under way arrives. */
  arrive(): void {
    for (const { request } of this.#late.splice(0)) this.#take(request)
  }

  async #send<Answer extends object>(callFor: CallFor<Answer>): Promise<Answer> {
    const call = callFor(VERSIONS)
    const { apiKey, apiVersion } = call
    const framed: Request = { apiKey, apiVersion, body: bytesOf(await call.encode()) }
    const index = this.sent.push(apiKey) - 1
    this.#nowMs += TRIP_MS
    this.#arriveBefore(index)
    const fate = this.#fateOf(index, apiKey)
    if (fate === 'lost') throw lost()
    if (typeof fate === 'object' && 'late' in fate) {
      this.#late.push({ at: index + fate.late, request: framed })
      throw lost()
    }
    const answer = this.#take(framed)
    if (typeof fate === 'object') throw new BrokerError(fate.refused, 'refused by the test')
    if (fate === 'answer lost') throw lost()
    return call.decode(answer)
  }

  #arriveBefore(index: number): void {
    for (const one of this.#late.filter(({ at }) => at <= index)) {
      this.#late.splice(this.#late.indexOf(one), 1)
      this.#take(one.request)
    }
  }

  #take(request: Request): Buffer {
    const answer = this.#model.take(request)
    this.#observe()
    return answer
  }
}

const lost = (): BrokerError => new BrokerError(LOST, 'lost by the test')

const bytesOf = (body: RequestBody): Buffer => Buffer.from(Buffer.isBuffer(body) ? body : body.buffer)
