import type { PublishedCommands } from '../outbound/published-commands.ts'
import { PublishError, type Publication, type Publisher } from '../outbound/publish.ts'

export type Fate = 'stored' | 'lost' | 'reply lost' | 'refused'

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

  async publish({ messageId, subject }: Publication, permit: () => void) {
    await this.beforeLeaving()
    permit()
    this.publishes.push(messageId)
    // Requests overtake each other on their way, which is what different messages may do.
    for (let turns = this.publishes.length % 3; turns > 0; turns -= 1) await Promise.resolve()
    const fate = this.#fates.shift() ?? 'stored'
    if (fate === 'refused') return { kind: 'refused', message: 'larger than max_payload' } as const
    const known = this.#known(messageId)
    if (fate !== 'lost' && known === undefined)
      this.kept.push({ sequence: this.kept.length + 1, subject, messageId, atMs: this.#now() })
    if (fate !== 'stored') throw new PublishError('TEST', new Error('no answer'))
    const sequence = known?.sequence ?? this.kept.length
    return { kind: 'stored', duplicate: known !== undefined, sequence } as const
  }

  async beyond(subject: string, sequence: number): Promise<ReadonlyMap<string, number>> {
    const beyond = this.kept.filter((one) => one.subject === subject && one.sequence > sequence)
    return new Map(beyond.map((one) => [one.messageId, one.sequence]))
  }

  async any(subject: string): Promise<boolean> {
    return this.kept.some((one) => one.subject === subject)
  }

  #known(messageId: string): Kept | undefined {
    const since = this.#now() - this.#windowMs
    return this.kept.find((one) => one.messageId === messageId && one.atMs >= since)
  }
}
