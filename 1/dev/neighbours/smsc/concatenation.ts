import { BoundedMap } from '../../../streams/platform/bounded-map.ts'
import type { Concatenation } from './text.ts'

/**
 * What the operator knows of one segment, through any account: a copy through the backup is a copy
 * all the same.
 */
export interface Seen {
  tries: number
  taken: number
  /** The last response with an id; undefined when the last take was not answered. */
  answer: { readonly session: number; readonly atMs: number } | undefined
}

const SEGMENTS_MAX = 500_000
const PARTIAL_MESSAGES_MAX = 100_000

/**
 * A segment is the same when destination, reference, index and text are the same. Oldest are
 * forgotten first.
 */
export class SeenSegments {
  readonly #seen = new BoundedMap<string, Seen>(SEGMENTS_MAX)

  arrive(destination: string, concatenation: Concatenation | undefined, text: string): Seen {
    const place = concatenation === undefined ? '' : `${concatenation.reference}/${concatenation.index}`
    const key = `${destination}|${place}|${text}`
    const known = this.#seen.get(key) ?? { tries: 0, taken: 0, answer: undefined }
    known.tries += 1
    this.#seen.set(key, known)
    return known
  }
}

/**
 * Whether a response can have been lost: when its session ended within a second of it. The peer may
 * have died before it read the response, or a reset may have thrown it away. Only a copy sent after
 * a response that cannot have been lost proves a fault.
 */
export class Answers {
  readonly #endedAtMs = new BoundedMap<number, number>(SESSIONS_MAX)

  sessionEnded(session: number, atMs: number): void {
    this.#endedAtMs.set(session, atMs)
  }

  hasArrived({ answer }: Seen): boolean {
    if (answer === undefined) return false
    const endedAtMs = this.#endedAtMs.get(answer.session)
    return endedAtMs === undefined || endedAtMs - answer.atMs > IN_DOUBT_MS
  }
}

const SESSIONS_MAX = 10_000
const IN_DOUBT_MS = 1_000

/** Joins the parts of long messages as a handset does. */
export class Assembler {
  readonly #parts = new BoundedMap<string, Map<number, string>>(PARTIAL_MESSAGES_MAX)

  /** The whole text, once, when the last missing part arrives. */
  add(destination: string, concatenation: Concatenation | undefined, text: string): string | undefined {
    if (concatenation === undefined) return text
    const { reference, total, index } = concatenation
    const key = `${destination}|${reference}|${total}`
    const parts = this.#parts.get(key) ?? new Map<number, string>()
    parts.set(index, text)
    this.#parts.set(key, parts)
    if (parts.size < total) return undefined
    this.#parts.delete(key)
    return [...parts]
      .sort(([one], [other]) => one - other)
      .map(([, part]) => part)
      .join('')
  }
}
