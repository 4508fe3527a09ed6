import { partitionKey, type TopicPartition } from '../../log/port.ts'

/** How a reader stands to one of its partitions, now. */
export interface Standing {
  readonly at: TopicPartition
  /** Topology or group. */
  readonly reader: string
  /**
   * The first offset that is not done; what is in hand is not done. Unknown until the cursor has
   * been read.
   */
  readonly next: number | undefined
  /**
   * It has something to do although no record lies behind it: it opens, or a round of timers is in
   * hand.
   */
  readonly isBusy: boolean
  /**
   * Changes with whatever shows that the reader gets on without moving: rows restored, attempts,
   * answers.
   */
  readonly signs: number
  /** What it does, for people: `running`, `restoring`, `recovering`. */
  readonly doing: string
  /** Why no movement is to be expected of it. */
  readonly excuse?: string | undefined
}

export interface Stuck {
  readonly standing: Standing
  readonly quietMs: number
  readonly behind: number
}

/** What is remembered of a partition from one look to the next. */
interface Seen {
  readonly next: number | undefined
  readonly signs: number
  readonly quietMs: number
  readonly isStuck: boolean
  readonly stuck: Stuck
}

const identity = ({ reader, at }: Standing): string => `${reader}\0${partitionKey(at)}`

/**
 * Decides who is stuck, from one look to the next. Knows no clock. Remembers what the last look has
 * shown and no more.
 */
export class Judgement {
  readonly #stuckAfterMs: number
  #seen = new Map<string, Seen>()

  constructor(stuckAfterMs: number) {
    this.#stuckAfterMs = stuckAfterMs
  }

  stuck(): readonly Stuck[] {
    return [...this.#seen.values()].filter(({ isStuck }) => isStuck).map(({ stuck }) => stuck)
  }

  /** Nothing could be seen: who is stuck stays so, everybody else begins anew. */
  excuseAll(): void {
    for (const [id, seen] of this.#seen) if (!seen.isStuck) this.#seen.set(id, { ...seen, quietMs: 0 })
  }

  /** Answers whom this look has found stuck, and who has moved again since. */
  look(
    standings: readonly Standing[],
    ends: ReadonlyMap<string, number>,
    elapsedMs: number,
  ): { readonly stuck: readonly Stuck[]; readonly moved: readonly Stuck[] } {
    const before = this.#seen
    this.#seen = new Map(
      standings.map((standing) => {
        const id = identity(standing)
        return [id, this.#judged(standing, ends.get(partitionKey(standing.at)), before.get(id), elapsedMs)]
      }),
    )
    const changed = (was: boolean) => (one: Seen, id: string) =>
      one.isStuck !== was && (before.get(id)?.isStuck ?? false) === was ? [one.stuck] : []
    const all = [...this.#seen]
    return {
      stuck: all.flatMap(([id, one]) => changed(false)(one, id)),
      moved: all.flatMap(([id, one]) => changed(true)(one, id)),
    }
  }

  #judged(standing: Standing, end: number | undefined, before: Seen | undefined, elapsedMs: number): Seen {
    const { next, signs, isBusy, excuse } = standing
    const behind = end === undefined || next === undefined ? 0 : Math.max(0, end - next)
    const moved = before === undefined || before.next !== next || before.signs !== signs
    const isExpected = (behind > 0 || isBusy) && excuse === undefined
    const quietMs = moved || !isExpected ? 0 : before.quietMs + elapsedMs
    return {
      next,
      signs,
      quietMs,
      isStuck: quietMs >= this.#stuckAfterMs,
      stuck: { standing, quietMs, behind },
    }
  }
}
