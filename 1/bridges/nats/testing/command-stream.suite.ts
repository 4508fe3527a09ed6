import type { PublishedCommands } from '../outbound/published-commands.ts'
import { PublishError, SubjectMoved, type Publication, type Publisher } from '../outbound/publish.ts'

/** `late`: it has left, but arrives only when it is let through. */
export type Fate = 'stored' | 'lost' | 'reply lost' | 'refused' | 'late'

interface Kept {
  readonly sequence: number
  readonly subject: string
  readonly messageId: string
  readonly atMs: number
}

/**
 * A stream of NATS as the bridge sees it: sequences, a window of ids that ends, and for each
 * publish the next fate.
 */
export class CommandStream implements Publisher, PublishedCommands {
  readonly kept: Kept[] = []
  readonly publishes: string[] = []
  readonly #late: Publication[] = []
  /** Called before a message leaves, as a connection that has to come back would. */
  beforeLeaving: () => Promise<void> = () => Promise.resolve()
  readonly #now: () => number
  readonly #windowMs: number
  #fates: Fate[]

  constructor(now: () => number, fates: readonly Fate[] = [], windowMs = 600_000) {
    this.#now = now
    this.#fates = [...fates]
    this.#windowMs = windowMs
  }

  /** What the gateway would get, in order. */
  get ids(): readonly string[] {
    return this.kept.map(({ messageId }) => messageId)
  }

  fail(...fates: readonly Fate[]): void {
    this.#fates.push(...fates)
  }

  /** Instead of all fates that are left. */
  script(fates: readonly Fate[]): void {
    this.#fates = [...fates]
  }

  /** What a frozen process had in its own buffers arrives now; nobody waits for the answers. */
  letThrough(): void {
    for (const late of this.#late.splice(0)) {
      if (this.#known(late.messageId) === undefined && !this.#isBehind(late)) this.#keep(late)
    }
  }

  async publish(publication: Publication, permit: () => void) {
    const { messageId } = publication
    await this.beforeLeaving()
    permit()
    this.publishes.push(messageId)
    // Requests overtake each other on their way, which is what different messages may do.
    for (let turns = this.publishes.length % 3; turns > 0; turns -= 1) await Promise.resolve()
    const fate = this.#fates.shift() ?? 'stored'
    if (fate === 'refused') return { kind: 'refused', message: 'larger than max_payload' } as const
    const known = this.#known(messageId)
    if (fate === 'late') this.#late.push(publication)
    else if (fate !== 'lost' && known === undefined) {
      if (this.#isBehind(publication)) throw new SubjectMoved('the stream holds more')
      this.#keep(publication)
    }
    if (fate !== 'stored') throw new PublishError('TEST', 'no answer')
    const sequence = known?.sequence ?? this.kept.length
    return { kind: 'stored', duplicate: known !== undefined, sequence } as const
  }

  async beyond(subject: string, sequence: number): Promise<ReadonlyMap<string, number>> {
    const beyond = this.kept.filter((one) => one.subject === subject && one.sequence > sequence)
    return new Map(beyond.map((one) => [one.messageId, one.sequence]))
  }

  async last(subject: string): Promise<number> {
    return this.#last(subject)
  }

  #last(subject: string): number {
    return this.kept.findLast((one) => one.subject === subject)?.sequence ?? 0
  }

  #isBehind({ subject, lastSequence }: Publication): boolean {
    return lastSequence !== undefined && lastSequence !== this.#last(subject)
  }

  #keep({ subject, messageId }: Publication): void {
    this.kept.push({ sequence: this.kept.length + 1, subject, messageId, atMs: this.#now() })
  }

  #known(messageId: string): Kept | undefined {
    const since = this.#now() - this.#windowMs
    return this.kept.find((one) => one.messageId === messageId && one.atMs >= since)
  }
}
