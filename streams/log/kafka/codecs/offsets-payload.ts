import type { Cursor } from '../../port.ts'
import type { OffsetsPayload } from './apis.ts'

/** Cursors by topic, as the commit requests have them. */
export function offsetsPayload(cursors: readonly Cursor[]): readonly OffsetsPayload[] {
  const topics = new Map<string, { partition: number; offset: string; metadata: string }[]>()
  for (const { topic, partition, next, metadata } of cursors) {
    const cursor = { partition, offset: next.toString(), metadata }
    const partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, [cursor])
    else partitions.push(cursor)
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}
