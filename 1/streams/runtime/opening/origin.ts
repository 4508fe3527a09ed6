import { LogError, type Bounds, type Cursor } from '../../log/port.ts'
import { readCursorMetadata } from './cursor.ts'

/** What is known of an input that a task begins to read. */
export interface Known {
  readonly topic: string
  readonly bounds: Bounds
  readonly cursor: Cursor | undefined
  /** Everything below was processed once, in the topic of the id that stands beside it. */
  readonly mark: number | undefined
  readonly markId: string | undefined
}

/**
 * Where a task goes on in one input. `next` is beyond `cursor` when retention has taken records
 * that nobody had read.
 */
export interface Origin {
  readonly topic: string
  readonly topicId: string | undefined
  readonly cursor: number
  readonly next: number
  readonly mark: number | undefined
  /**
   * `recreated`: another topic bears the name, of which nothing was read. `truncated`: it ends
   * below what was read of it.
   */
  readonly fate: 'same' | 'recreated' | 'truncated'
}

/**
 * A number without the thing that it counts says nothing: cursor and mark hold for the topic in
 * which they were counted and for no other of its name. Where a broker tells no ids, or a state was
 * written before they were kept, the end of the topic has to do: what was read beyond it is gone. A
 * group's cursors go with their topic, so a mark without a cursor is then of another topic.
 */
export function originOf(known: Known): Origin {
  const { topic, bounds, mark } = known
  const { topicId, start, end } = bounds
  const cursor = cursorIn(known)
  const base = { topic, topicId }
  if (isRecreated(known)) {
    const next = Math.max(start, cursor ?? start)
    return { ...base, cursor: next, next, mark: undefined, fate: 'recreated' }
  }
  const sound = Math.min(end, soundIn(known))
  if (isShort(known) || (cursor ?? 0) > sound) {
    const next = Math.max(start, Math.min(cursor ?? start, sound))
    return { ...base, cursor: next, next, mark: mark && Math.min(mark, sound), fate: 'truncated' }
  }
  const next = cursor ?? start
  return { ...base, cursor: next, next: Math.max(next, start), mark, fate: 'same' }
}

function isRecreated({ bounds, cursor, mark, markId }: Known): boolean {
  const { topicId, end } = bounds
  if (topicId !== undefined && markId !== undefined) return topicId !== markId
  if (cursor !== undefined) return isDifferent(topicId, idIn(cursor))
  return mark !== undefined && mark > end
}

/**
 * It may yet come back: a broker that has just started shows less than it holds, and a cursor may
 * be seen before the markers of its transaction.
 */
export const isShort = (known: Known): boolean => {
  if (isDifferent(known.bounds.topicId, known.markId)) return false
  return Math.max(known.mark ?? 0, cursorIn(known) ?? 0) > known.bounds.end
}

/** A topic that is made again while it is read: the task has to begin anew. */
export function assertSame(origins: readonly Origin[], now: ReadonlyMap<string, string | undefined>): void {
  for (const { topic, topicId } of origins) {
    if (isDifferent(topicId, now.get(topic)))
      throw new LogError('retriable', `${topic} was deleted and made again`)
  }
}

/** A cursor that counts in another topic is none. */
const cursorIn = ({ bounds, cursor }: Known): number | undefined =>
  cursor === undefined || isDifferent(bounds.topicId, idIn(cursor)) ? undefined : cursor.next

/** Up to where the log still has what the cursor counts. */
const soundIn = (known: Known): number =>
  cursorIn(known) === undefined
    ? Number.POSITIVE_INFINITY
    : (known.cursor?.cutBackTo ?? Number.POSITIVE_INFINITY)

const idIn = ({ metadata }: Cursor): string | undefined => readCursorMetadata(metadata).topicId

const isDifferent = (a: string | undefined, b: string | undefined): boolean =>
  a !== undefined && b !== undefined && a !== b
