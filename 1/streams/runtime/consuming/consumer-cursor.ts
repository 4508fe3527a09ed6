import { z } from 'zod'
import type { Bounds, Cursor } from '../../log/port.ts'

/**
 * What travels in the metadata of a cursor that `consume` moves: which topic it counts in. A topic
 * that was deleted and made again starts its offsets over, and has another id.
 */
const Metadata = z.object({ v: z.literal(1), topicId: z.string() })

export const metadataOf = (topicId: string | undefined): string =>
  topicId === undefined ? '' : JSON.stringify({ v: 1, topicId })

function topicIdIn(metadata: string): string | undefined {
  try {
    const read = Metadata.safeParse(JSON.parse(metadata))
    return read.success ? read.data.topicId : undefined
  } catch {
    // Not ours: none was written, or another tool has moved the cursor.
    return undefined
  }
}

/**
 * Where reading goes on. At the first record when there is no cursor, or one of another topic. A
 * cursor beyond the end of the same topic, or beyond where it was cut back to, has outlived records
 * that the log has lost, and what comes next is new. Where the broker tells no ids the two cannot
 * be told apart; then reading starts over, because whoever reads recognises what comes twice.
 */
export function startFrom(cursor: Cursor | undefined, { start, end, topicId }: Bounds): number {
  if (cursor === undefined) return start
  const written = topicIdIn(cursor.metadata)
  const isSame = written !== undefined && written === topicId
  if (written !== undefined && topicId !== undefined && !isSame) return start
  const { next, cutBackTo = end } = cursor
  const sound = Math.min(end, cutBackTo)
  if (next > sound) return isSame ? Math.max(start, sound) : start
  return Math.max(start, next)
}
