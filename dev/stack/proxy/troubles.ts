import { setTimeout as sleep } from 'node:timers/promises'
import type { Act } from './acts.ts'
import type { KafkaConnection } from './kafka-connection.ts'
import type { KafkaProxy } from './kafka-proxy.ts'

/** What is needed of a source of seeded numbers. */
export interface Dice {
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
    await sleep(everyMs, undefined, { ...(until !== undefined && { signal: until }) }).catch(() => undefined)
    proxy.withdraw()
    const left = doomed.filter(isOpen)
    for (const connection of left) proxy.cutBetween(connection)
    done.idle += left.length
    done.cuts += left.length
  }
  return done
}

const isOpen = (connection: KafkaConnection): boolean => connection.isOpen
