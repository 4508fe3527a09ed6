import type { Concatenation } from './text.ts'

/** What the operator knows of one segment, whichever account it came through: a copy through the backup is a copy all the same. */
export interface Seen {
  tries: number
  taken: number
  /** Told the gateway about the last take; a repetition after that is the gateway's fault, without it an honest doubt. */
  answered: boolean
}

const SEGMENTS_MAX = 500_000
const PARTIAL_MESSAGES_MAX = 100_000

/** A segment is the same when destination, reference, index and text are the same. Oldest are forgotten first. */
export class SeenSegments {
  readonly #seen = new Map<string, Seen>()

  arrive(destination: string, concatenation: Concatenation | undefined, text: string): Seen {
    const place = concatenation === undefined ? '' : `${concatenation.reference}/${concatenation.index}`
    const key = `${destination}|${place}|${text}`
    const known = this.#seen.get(key) ?? { tries: 0, taken: 0, answered: false }
    known.tries += 1
    this.#seen.set(key, known)
    forgetOldest(this.#seen, SEGMENTS_MAX)
    return known
  }
}

/** Joins the parts of long messages as a handset does. */
export class Assembler {
  readonly #parts = new Map<string, Map<number, string>>()

  /** The whole text, once, when the last missing part arrives. */
  add(destination: string, concatenation: Concatenation | undefined, text: string): string | undefined {
    if (concatenation === undefined) return text
    const { reference, total, index } = concatenation
    const key = `${destination}|${reference}|${total}`
    const parts = this.#parts.get(key) ?? new Map<number, string>()
    parts.set(index, text)
    this.#parts.set(key, parts)
    forgetOldest(this.#parts, PARTIAL_MESSAGES_MAX)
    if (parts.size < total) return undefined
    this.#parts.delete(key)
    return [...parts]
      .sort(([one], [other]) => one - other)
      .map(([, part]) => part)
      .join('')
  }
}

function forgetOldest<V>(map: Map<string, V>, entriesMax: number): void {
  if (map.size <= entriesMax) return
  const oldest = map.keys().next()
  if (oldest.done !== true) map.delete(oldest.value)
}
