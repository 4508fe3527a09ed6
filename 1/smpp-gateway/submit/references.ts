import { createHash } from 'node:crypto'
import { BoundedMap } from '../../streams/platform/bounded-map.ts'
import type { ReferenceBits } from '../../streams/domain/message/text-segments.ts'
import type { SharedState } from '../redis.ts'

/**
 * Concatenation references: a counter per operator, sender and recipient [EN6]. A phone joins parts
 * by sender and reference, so two messages that are on their way to it together must differ.
 */
export interface References {
  next(from: string, to: string, bits: ReferenceBits): Promise<number>
}

export interface ReferencesOptions {
  readonly operatorId: string
  readonly shared: SharedState
  /** 0 to 1. */
  readonly random: () => number
}

/** Longer than any message may wait at an operator. */
const TTL_S = 259_200
/** Pairs that are counted here while Redis is away. */
const PAIRS_MAX = 100_000

/**
 * KEYS[1] the counter; ARGV[1] where a new one starts, ARGV[2] its life in seconds. A counter that
 * was lost does not begin where it once began.
 */
const NEXT = `
redis.call('SET', KEYS[1], ARGV[1], 'NX')
redis.call('EXPIRE', KEYS[1], ARGV[2])
return redis.call('INCR', KEYS[1])
`

export function createReferences({ operatorId, shared, random }: ReferencesOptions): References {
  const counters = new BoundedMap<string, number>(PAIRS_MAX)
  const start = (): number => Math.floor(random() * 65_536)
  return {
    next: async (from, to, bits) => {
      const pair = pairOf(operatorId, from, to)
      const counted = await shared.attempt((redis) => redis.eval(NEXT, 1, `smpp:ref:${pair}`, start(), TTL_S))
      const count = typeof counted === 'number' ? counted : (counters.get(pair) ?? start()) + 1
      counters.set(pair, count)
      return count % 2 ** bits
    },
  }
}

/** A digest: a number must not be read from a key. */
const pairOf = (operatorId: string, from: string, to: string): string =>
  createHash('sha256')
    .update(JSON.stringify([operatorId, from, to]))
    .digest('base64url')
