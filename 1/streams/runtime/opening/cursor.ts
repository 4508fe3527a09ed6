import { z } from 'zod'
import { changelogTopicOf, type Topology } from '../../dsl/topology.ts'
import { partitionKey, type Cursor, type Written } from '../../log/port.ts'

/**
 * What travels in the metadata of a committed cursor: where each changelog stood, and what the
 * cursor counts in. A changelog that later ends below has lost committed state, which a new owner
 * must notice and never restore from. A topic of another id, or of another number of partitions, is
 * not the one that was read. An offset reset by a broker's own tool wipes the metadata; then the
 * marks in the changelog still tell what was processed.
 */
const Metadata = z.object({
  v: z.literal(1),
  changelogs: z.record(z.string(), z.number()),
  ...({
    topicId: z.string().optional(),
    partitions: z.number().optional(),
    logMs: z.number().optional(),
    writer: z.string().optional(),
    member: z.string().optional(),
  } satisfies Record<keyof AboutInput, z.ZodType>),
})

export interface AboutInput {
  /** Of the topic in which the cursor counts. */
  readonly topicId?: string | undefined
  readonly partitions?: number | undefined
  /** The newest time that the log had shown (log-time.ts). */
  readonly logMs?: number | undefined
  /** Transactional id under which it was written, and the member of the group that it was. */
  readonly writer?: string | undefined
  readonly member?: string | undefined
}

export const writeCursorMetadata = (
  changelogs: Readonly<Record<string, number>>,
  about: AboutInput = {},
): string => JSON.stringify({ v: 1, changelogs, ...about })

const NOTHING: z.infer<typeof Metadata> = { v: 1, changelogs: {} }

export function readCursorMetadata(metadata: string): z.infer<typeof Metadata> {
  if (metadata === '') return NOTHING
  try {
    const read = Metadata.safeParse(JSON.parse(metadata))
    return read.success ? read.data : NOTHING
  } catch {
    // Not ours: another tool moved the cursor and left a note of its own.
    return NOTHING
  }
}

/** Not written by another tool. */
export const isOurs = (metadata: string): boolean => readCursorMetadata(metadata) !== NOTHING

/** The furthest position of each changelog that any of the cursors names. */
export function changelogsCommitted(
  committed: ReadonlyMap<string, Cursor>,
): Readonly<Record<string, number>> {
  const furthest: Record<string, number> = {}
  for (const cursor of committed.values()) {
    for (const [store, next] of Object.entries(readCursorMetadata(cursor.metadata).changelogs)) {
      furthest[store] = Math.max(furthest[store] ?? 0, next)
    }
  }
  return furthest
}

/** Where the changelogs go on once `written` is committed. */
export function changelogsAfter(
  topology: Topology,
  partition: number,
  before: Readonly<Record<string, number>>,
  written: Written,
): Record<string, number> {
  const after = { ...before }
  for (const store of topology.stores) {
    const next = written.get(partitionKey({ topic: changelogTopicOf(topology.name, store), partition }))
    if (next !== undefined) after[store] = next
  }
  return after
}
