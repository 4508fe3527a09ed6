import { BoundedMap } from '../../../streams/platform/bounded-map.ts'
import type { SharedState } from '../../redis.ts'
import { JournalWrites } from './writes.ts'
import { NO_TRIES, progressIn, referenceIn, triesIn, type SegmentProgress, type Tries } from '../progress.ts'

/**
 * Progress of the commands in work [S4]. It is in Redis [DB84] for the process that goes on after a
 * crash. It is in memory too, so that a command that comes back while Redis is away is not sent
 * again.
 */
export interface Journal {
  /**
   * A command that has never been delivered before: nothing is asked, the first write finds out.
   */
  openNew(messageId: string): CommandRecord
  /** Whether this process has worked on the command and not yet forgotten it. */
  remembers(messageId: string): boolean
  /** What is known of a command. `isKnown` is false when nothing was ever written about it. */
  open(messageId: string): Promise<CommandRecord>
  /**
   * A command that goes back to NATS. When nothing was ever written about it, it has not been sent:
   * that is noted, so that whoever gets it next need not look for its results.
   */
  noteUnsent(messageId: string): Promise<void>
  /** The command is acknowledged: this process need not remember it. */
  forget(messageId: string): void
  /**
   * Another process has worked on these commands since, so what this one remembers may be out of
   * date.
   */
  forgetAll(): void
}

/** What the journal holds about one command. */
export interface CommandRecord {
  readonly isKnown: boolean
  readonly tries: Tries
  /** Concatenation reference of the message, so that all its parts bear the same [EN6]. */
  readonly reference: number | undefined
  segment(index: number): SegmentProgress | undefined
  /**
   * False, and nothing written, when this is the first word on a command that was opened as new and
   * something stands about it already: it came twice, and has to be opened again.
   */
  write(index: number, progress: SegmentProgress): Promise<boolean>
  /** Goes on without waiting for Redis: a lost write only repeats an event under the same id. */
  writeBehind(index: number, progress: SegmentProgress): void
  /** The segment is where `progress` says (undefined: it has certainly not been sent) and waits. */
  defer(index: number, progress: SegmentProgress | undefined, tries: Tries): Promise<boolean>
  keepReference(reference: number): Promise<void>
  /** The operator takes the message again, so the next refusal begins with the shortest delay. */
  restartTries(): void
}

const TTL_S = 259_200
const REMEMBERED_MAX = 10_000
const TRIES = 'tries'
const REFERENCE = 'ref'

/** What this process knows of one command. */
interface Remembered {
  segments: Map<number, SegmentProgress>
  /** Written here as absent, whatever Redis says. */
  cleared: Set<number>
  tries: Tries
  reference: number | undefined
}

const nothing = (): Remembered => ({
  segments: new Map(),
  cleared: new Set(),
  tries: NO_TRIES,
  reference: undefined,
})

const keyOf = (messageId: string): string => `smpp:progress:${messageId}`

export function createJournal(shared: SharedState, onUnavailable: () => void): Journal {
  const remembered = new BoundedMap<string, Remembered>(REMEMBERED_MAX)
  const asked = <T>(answer: T | undefined): T | undefined => {
    if (answer === undefined) onUnavailable()
    return answer
  }
  const writes = new JournalWrites(shared)
  const open: Journal['open'] = async (messageId) => {
    writes.flush()
    const stored = asked(await shared.attempt((redis) => redis.hgetall(keyOf(messageId)))) ?? {}
    const known = remembered.get(messageId)
    const isKnown = known !== undefined || Object.keys(stored).length > 0
    const together = Object.assign(known ?? nothing(), combined(stored, known ?? nothing()))
    remembered.set(messageId, together)
    return new Entry(messageId, together, isKnown, { shared, writes, asked })
  }
  return {
    open,
    openNew: (messageId) => {
      const known = nothing()
      remembered.set(messageId, known)
      return new Entry(messageId, known, false, { shared, writes, asked, isUnread: true })
    },
    noteUnsent: async (messageId) => {
      const { segments, cleared } = remembered.get(messageId) ?? nothing()
      if (segments.size + cleared.size > 0) return
      const [key, tries] = [keyOf(messageId), JSON.stringify(NO_TRIES)]
      asked(
        await shared.attempt((redis) =>
          Promise.all([redis.hsetnx(key, TRIES, tries), redis.expire(key, TTL_S)]),
        ),
      )
    },
    remembers: (messageId) => remembered.get(messageId) !== undefined,
    forget: (messageId) => remembered.delete(messageId),
    forgetAll: () => remembered.clear(),
  }
}

/** What stands in Redis, with what this process knows better. */
function combined(stored: Readonly<Record<string, string>>, known: Remembered): Remembered {
  const segments = progressIn(stored)
  for (const index of known.cleared) segments.delete(index)
  for (const [index, progress] of known.segments) segments.set(index, progress)
  return {
    segments,
    cleared: known.cleared,
    tries: known.tries === NO_TRIES ? triesIn(stored[TRIES]) : known.tries,
    reference: known.reference ?? referenceIn(stored[REFERENCE]),
  }
}

interface EntryOptions {
  readonly shared: SharedState
  readonly writes: JournalWrites
  readonly asked: <T>(answer: T | undefined) => T | undefined
  readonly isUnread?: true
}

class Entry implements CommandRecord {
  readonly isKnown: boolean
  readonly #key: string
  readonly #known: Remembered
  readonly #options: EntryOptions
  #isUnread: boolean
  /** Redis has been told when to forget it. */
  #hasEnd = false

  constructor(messageId: string, known: Remembered, isKnown: boolean, options: EntryOptions) {
    this.#key = keyOf(messageId)
    this.#known = known
    this.isKnown = isKnown
    this.#options = options
    this.#isUnread = options.isUnread === true
  }

  get tries(): Tries {
    return this.#known.tries
  }

  get reference(): number | undefined {
    return this.#known.reference
  }

  segment(index: number): SegmentProgress | undefined {
    return this.#known.segments.get(index)
  }

  async write(index: number, progress: SegmentProgress): Promise<boolean> {
    if (this.#isUnread) return this.#first(String(index), progress)
    this.#remember(index, progress)
    await this.#put(String(index), progress)
    return true
  }

  writeBehind(index: number, progress: SegmentProgress): void {
    void this.write(index, progress)
  }

  async defer(index: number, progress: SegmentProgress | undefined, tries: Tries): Promise<boolean> {
    this.#known.tries = tries
    if (progress === undefined) {
      this.#known.segments.delete(index)
      this.#known.cleared.add(index)
    } else this.#remember(index, progress)
    const { shared, writes, asked } = this.#options
    writes.flush()
    const fields = { [TRIES]: JSON.stringify(tries), ...(progress && { [index]: JSON.stringify(progress) }) }
    const written = shared.attempt((redis) =>
      Promise.all([
        redis.hset(this.#key, fields),
        ...(progress === undefined ? [redis.hdel(this.#key, String(index))] : []),
        redis.expire(this.#key, TTL_S),
      ]),
    )
    return asked(await written) !== undefined
  }

  restartTries(): void {
    // Not the constant: that stands for "as Redis says".
    this.#known.tries = { ...NO_TRIES }
  }

  async keepReference(reference: number): Promise<void> {
    this.#known.reference = reference
    const { shared, writes, asked } = this.#options
    writes.flush()
    const written = shared.attempt((redis) =>
      Promise.all([redis.hset(this.#key, REFERENCE, reference), redis.expire(this.#key, TTL_S)]),
    )
    asked(await written)
  }

  async #first(field: string, progress: SegmentProgress): Promise<boolean> {
    const { writes, asked } = this.#options
    const written = asked(await writes.write(this.#key, field, JSON.stringify(progress), 'new'))
    if (written === false) return false
    this.#hasEnd = written !== undefined
    this.#isUnread = false
    this.#remember(Number(field), progress)
    return true
  }

  /** The key may be new in Redis, although this is not the first word on the command. */
  async #put(field: string, progress: SegmentProgress): Promise<void> {
    const { writes, asked } = this.#options
    const mode = this.#hasEnd ? 'more' : 'first'
    const written = asked(await writes.write(this.#key, field, JSON.stringify(progress), mode))
    this.#hasEnd = written !== undefined
  }

  #remember(index: number, progress: SegmentProgress): void {
    this.#known.cleared.delete(index)
    this.#known.segments.set(index, progress)
  }
}
