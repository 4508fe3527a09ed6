import type { OutboundEvent } from './event.ts'
import type { PublishedCommands } from './published-commands.ts'

/** Operators of one partition. Of those beyond it the furthest back is forgotten. */
const OPERATORS_MAX = 1_000

type Sequences = Readonly<Record<string, number>>

/**
 * What the stream holds of a partition beyond its mark. One subject has one partition, and its
 * commands are published one after the other, each behind the last. So under each subject the
 * stream has the order of the log, and what lies beyond the last marked sequence is unmarked.
 *
 * Of each subject the last message is read first, then what lies beyond the mark. Whoever publishes
 * in between moves the subject, and our next publish is refused.
 */
export class UnmarkedCommands {
  readonly #published: PublishedCommands
  /** As the mark has them; undefined: not known, so that all of the stream counts as marked. */
  #marked: Sequences | undefined
  /** Of the batch in hand. */
  readonly #reached = new Map<string, number>()
  readonly #last = new Map<string, number>()
  readonly #held = new Map<string, { readonly subject: string; readonly sequence: number }>()

  constructor(published: PublishedCommands, marked: Sequences | undefined) {
    this.#published = published
    this.#marked = marked
  }

  async lookAt(events: readonly OutboundEvent[]): Promise<void> {
    for (const { subject } of events) {
      if (this.#last.has(subject)) continue
      const last = await this.#published.last(subject)
      const marked = this.#marked === undefined ? last : (this.#marked[subject] ?? 0)
      // Further back than its mark is a stream that was made again.
      const from = last < marked ? 0 : marked
      if (last > from) await this.#lookBeyond(subject, from)
      this.#last.set(subject, last)
    }
    for (const { messageId, subject } of events) {
      const held = this.#held.get(messageId)
      if (held !== undefined) this.acknowledged(subject, held.sequence, true)
    }
  }

  /** It is not known any more what lies last under the subject. */
  forget({ subject }: OutboundEvent): void {
    this.#last.delete(subject)
  }

  has({ messageId }: OutboundEvent): boolean {
    return this.#held.has(messageId)
  }

  lastOf({ subject }: OutboundEvent): number | undefined {
    return this.#last.get(subject)
  }

  acknowledged(subject: string, sequence: number, isOld: boolean): void {
    const reached = this.#reached.get(subject) ?? 0
    this.#reached.set(subject, isOld ? Math.max(reached, sequence) : sequence)
    this.#last.set(subject, Math.max(this.#last.get(subject) ?? 0, sequence))
  }

  /** For the mark that covers the batch in hand. */
  get sequences(): Sequences {
    const all = { ...this.#marked, ...Object.fromEntries(this.#reached) }
    const names = Object.keys(all)
    if (names.length <= OPERATORS_MAX) return all
    const latest = Object.entries(all).sort(([, a], [, b]) => b - a)
    return Object.fromEntries(latest.slice(0, OPERATORS_MAX))
  }

  marked(sequences: Sequences): void {
    this.#marked = sequences
    this.#reached.clear()
    for (const [id, { subject, sequence }] of this.#held)
      if (sequence <= (sequences[subject] ?? 0)) this.#held.delete(id)
  }

  async #lookBeyond(subject: string, from: number): Promise<void> {
    for (const [id, sequence] of await this.#published.beyond(subject, from))
      this.#held.set(id, { subject, sequence })
  }
}
