import { setTimeout as sleep } from 'node:timers/promises'
import type { Act } from './acts.ts'
import type { KafkaConnection } from './kafka-connection.ts'
import type { KafkaProxy } from './kafka-proxy.ts'

/** What is needed of a source of seeded numbers. */
export interface Dice {
  chance(probability: number): boolean
  int(from: number, to: number): number
  pick<T>(from: readonly T[]): T
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T
}

/**
 * Where cuts hurt: inside the length, between it and the correlation id, after one byte of the
 * body, at the edges of segments, and one byte before the end.
 */
const CUT_AT = [0, 1, 3, 4, 5, 8, 9, 40, 1_447, 1_448, 1_449, 2_896, 16_384, 65_536, Number.MAX_SAFE_INTEGER]

export const cutSomewhere = (dice: Dice): Act => ({
  kind: dice.weighted({ 'cut-answer': 3, 'cut-request': 2 }),
  afterBytes: dice.pick(CUT_AT),
})

export interface Cuts {
  readonly rounds: number
  /** Ended connections. */
  readonly cuts: number
  /** Of these, between two frames: nothing passed on them for a whole round. */
  readonly idle: number
}

/**
 * In each round, every connection that is open is cut once: inside its next request or the answer
 * to that, or, if none comes during the round, between two frames.
 */
export async function cutAll(
  proxy: KafkaProxy,
  options: {
    readonly rounds: number
    readonly everyMs: number
    readonly dice: Dice
    readonly until?: AbortSignal
  },
): Promise<Cuts> {
  const { rounds, everyMs, dice, until } = options
  const done = { rounds: 0, cuts: 0, idle: 0 }
  for (; done.rounds < rounds; done.rounds += 1) {
    if (until?.aborted === true) break
    const doomed = [...proxy.open]
    for (const { number } of doomed)
      void proxy.next({ connection: number }, cutSomewhere(dice)).then(() => (done.cuts += 1))
    await pause(everyMs, until)
    proxy.withdraw()
    const left = doomed.filter(isOpen)
    for (const connection of left) proxy.cutBetween(connection)
    done.idle += left.length
    done.cuts += left.length
  }
  return done
}

const isOpen = (connection: KafkaConnection): boolean => connection.isOpen

const pause = (ms: number, until?: AbortSignal): Promise<unknown> =>
  sleep(ms, undefined, until === undefined ? {} : { signal: until }).catch(() => undefined)

const CALM_MS = [100, 600] as const
const AWAY_MS = [300, 5_000] as const
/** From one round trip to well beyond any client's patience. */
const HELD_MS = [20, 200, 2_000, 12_000] as const
const WEIGHTS = {
  'cut-answer': 5,
  'cut-request': 4,
  hold: 4,
  'half-open': 1,
  slow: 1,
  refuse: 1,
  freeze: 1,
}
/** Orders that no request has met yet; beyond it they are taken back. */
const ORDERS_MAX = 20

/** What was done to whole hops; what was done to requests is in the counters of the proxy. */
export interface HopTroubles {
  refusals: number
  freezes: number
}

/**
 * Throws dice for what goes wrong next until `until` aborts, then leaves the network sound. It
 * draws a kind of request and not a request, or all troubles would meet fetches.
 */
export async function troubleNetwork(
  proxy: KafkaProxy,
  dice: Dice,
  troubles: HopTroubles,
  until: AbortSignal,
): Promise<void> {
  for (;;) {
    await pause(dice.int(...CALM_MS), until)
    if (until.aborted) return proxy.mend()
    const what = dice.weighted(WEIGHTS)
    if (what === 'refuse' || what === 'freeze') await troubleHop(proxy, what, dice, troubles, until)
    else order(proxy, what, dice)
  }
}

function order(proxy: KafkaProxy, kind: Act['kind'], dice: Dice): void {
  if (proxy.seenKeys.length === 0) return
  if (proxy.ordered > ORDERS_MAX) proxy.withdraw()
  void proxy.next({ apiKey: dice.pick(proxy.seenKeys) }, actOf(kind, dice))
}

function actOf(kind: Act['kind'], dice: Dice): Act {
  if (kind === 'cut-answer' || kind === 'cut-request') return { kind, afterBytes: dice.pick(CUT_AT) }
  if (kind === 'half-open') return { kind, from: dice.chance(0.5) ? 'request' : 'answer' }
  if (kind === 'slow') return { kind, pauseMs: dice.int(1, 30) }
  const heldMs = dice.pick(HELD_MS)
  return { kind, hold: () => sleep(heldMs), thenCut: dice.chance(0.5) }
}

async function troubleHop(
  proxy: KafkaProxy,
  what: 'refuse' | 'freeze',
  dice: Dice,
  troubles: HopTroubles,
  until: AbortSignal,
): Promise<void> {
  const hop = dice.pick(proxy.hops)
  if (what === 'refuse') await hop.cut()
  else hop.freeze()
  troubles[what === 'refuse' ? 'refusals' : 'freezes'] += 1
  await pause(dice.int(...AWAY_MS), until)
  await hop.mend()
}
