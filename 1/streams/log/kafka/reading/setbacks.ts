import { backoffMs } from '../../../platform/backoff.ts'
import { LogError } from '../../port.ts'
import { remedyFor } from '../cluster/broker-error.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { OwnedPartition } from './fetched.ts'

export const FETCH_BACKOFF = { firstMs: 20, maxMs: 2_000, jitter: 0.2 }

/** Trouble that ends by itself. */
export const TRANSIENT: ReadonlySet<string> = new Set(['lost', 'later', 'elsewhere'])

/** Attempts before what cannot be used stops its partition: it may come whole from another disk. */
const DOUBTS_MAX = 5

interface SetbacksOptions {
  readonly cluster: Cluster
  readonly signal: AbortSignal
  readonly onStopped: (owned: OwnedPartition, error: LogError) => void
  readonly onTrouble: (error: unknown) => void
  /** A partition that has rested may go on. */
  readonly onRested: () => void
}

/**
 * What goes wrong with single partitions. One partition's trouble is not another's, though both
 * came in the same answer: it rests, longer each time, or is stopped, and the others go on.
 */
export class Setbacks {
  readonly #options: SetbacksOptions

  constructor(options: SetbacksOptions) {
    this.#options = options
  }

  /** Throws on what came neither from a broker nor from the way to it. */
  error(owned: OwnedPartition, error: unknown): void {
    const { cluster, onTrouble } = this.#options
    const remedy = remedyFor(error)
    if (remedy === undefined) throw error
    if (!TRANSIENT.has(remedy)) return this.stop(owned, error instanceof Error ? error.message : remedy)
    onTrouble(error)
    if (remedy !== 'later') cluster.forgetTopic(owned.at.topic)
    this.rest([owned])
  }

  /** What came for it cannot be used. Perhaps it can the next time, but not for ever. */
  doubt(owned: OwnedPartition, why: string): void {
    owned.doubts += 1
    if (owned.doubts >= DOUBTS_MAX) return this.stop(owned, why)
    this.#options.onTrouble(new LogError('fatal', why))
    this.rest([owned])
  }

  /** For good, or until its owner seeks. */
  stop(owned: OwnedPartition, why: string): void {
    owned.isStopped = true
    this.#options.onStopped(owned, new LogError('fatal', why))
  }

  /** Together, so that what was asked together is asked together again. */
  rest(those: readonly OwnedPartition[]): void {
    const turns = those.map((owned) => {
      owned.failures += 1
      owned.isResting = true
      return owned.turn
    })
    const { cluster, signal, onRested } = this.#options
    const failures = Math.max(...those.map((owned) => owned.failures))
    const pauseMs = backoffMs(failures, { ...FETCH_BACKOFF, random: cluster.clock.random })
    void cluster.clock.sleep(pauseMs, signal).then(() => {
      for (const [i, owned] of those.entries()) if (owned.turn === turns[i]) owned.isResting = false
      onRested()
    })
  }
}
