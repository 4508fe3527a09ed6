import { BrokerError } from '../cluster/broker-error.ts'
import type { Brokers, Cluster } from '../cluster/cluster.ts'

/** No answer: the code that a broker gives when it cannot tell what became of a request. */
const LOST = -1

const LATE_LANE = 'late'

class HeldUp extends Error {}

/** A cluster in front of which the network holds requests up. */
export interface LateRequests {
  readonly brokers: Brokers
  /** The next requests with this api key are lost to their sender, and arrive when told. */
  hold(apiKey: number, count?: number): void
  /** All that is held arrives right before the next request with this api key, then `next` runs. */
  arriveBefore(apiKey: number, next?: () => Promise<void>): void
  /** All that is held arrives now; what the brokers say to it is nobody's business any more. */
  arrive(): Promise<void>
  /** How many are held. */
  held(): number
  /** Puts the clock ahead, by which deadlines pass. */
  putAhead(byMs: number): void
}

/**
 * Requests reach the real brokers, in another order. Only what the client can tell apart is played:
 * a request without an answer, which the brokers take later.
 */
export function lateRequests(cluster: Cluster): LateRequests {
  const holding = new Map<number, number>()
  const held: (() => Promise<unknown>)[] = []
  let first: { readonly apiKey: number; readonly next: () => Promise<void> } | undefined
  let aheadMs = 0

  const arrive = async (): Promise<void> => {
    for (const send of held.splice(0)) await send().catch((error: unknown) => error)
  }
  const isHeld = (apiKey: number): boolean => {
    const left = holding.get(apiKey) ?? 0
    holding.set(apiKey, Math.max(0, left - 1))
    return left > 0
  }
  const settle = async (apiKey: number): Promise<void> => {
    if (first?.apiKey !== apiKey) return
    const { next } = first
    first = undefined
    await arrive()
    await next()
  }

  const send: Brokers['send'] = async (lane, nodeId, call) => {
    let apiKey = -1
    const unlessHeld = (versions: Parameters<typeof call>[0]) => {
      const made = call(versions)
      apiKey = made.apiKey
      if (isHeld(apiKey) || first?.apiKey === apiKey) throw new HeldUp()
      return made
    }
    const isArrival = first
    try {
      return await cluster.send(lane, nodeId, unlessHeld)
    } catch (error) {
      if (!(error instanceof HeldUp)) throw error
      if (isArrival?.apiKey === apiKey) {
        await settle(apiKey)
        return cluster.send(lane, nodeId, call)
      }
      held.push(() => cluster.send(LATE_LANE, nodeId, call))
      throw new BrokerError(LOST, 'held up by the test')
    }
  }

  const { now, random, sleep } = cluster.clock
  return {
    brokers: {
      compression: cluster.compression,
      held: cluster.held,
      clock: { now: () => now() + aheadMs, random, sleep },
      send,
      sendAny: (call) => cluster.sendAny(call),
      knownLeader: (topic, partition) => cluster.knownLeader(topic, partition),
      leaderOf: (topic, partition) => cluster.leaderOf(topic, partition),
      forgetTopic: (topic) => cluster.forgetTopic(topic),
      coordinatorOf: (kind, key) => cluster.coordinatorOf(kind, key),
      forgetCoordinator: (kind, key) => cluster.forgetCoordinator(kind, key),
    },
    hold: (apiKey, count = 1) => holding.set(apiKey, count),
    arriveBefore: (apiKey, next = () => Promise.resolve()) => {
      first = { apiKey, next }
    },
    arrive,
    held: () => held.length,
    putAhead: (byMs) => {
      aheadMs += byMs
    },
  }
}
