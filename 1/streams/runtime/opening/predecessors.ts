import type { Cursor, LogAdmin, TopicPartition } from '../../log/port.ts'
import type { Committer } from '../commit/committer.ts'
import { isOurs, readCursorMetadata } from './cursor.ts'

export interface PredecessorsOptions {
  readonly admin: LogAdmin
  readonly committer: Pick<Committer, 'id' | 'end'>
  readonly group: string
  readonly at: readonly TopicPartition[]
  /** Under which versions wrote that had one transactional id for each task. */
  readonly formerId: string
}

/**
 * Ends what those may have left open that have written the cursors and are no members any more.
 * Their transactions would end by themselves when they time out. Until then they hold back every
 * reader of what they wrote, and cursors that they were about to move cannot be read. A member that
 * is still one has only lost this partition: its transaction ends in its own time.
 */
export async function endPredecessors(options: PredecessorsOptions): Promise<void> {
  const { admin, committer, group, at, formerId } = options
  const writers = writersOf(await admin.committed(group, at, 'asTheyAre'), formerId)
  writers.delete(committer.id)
  if (writers.size === 0) return
  const { memberIds } = await admin.groupState(group)
  const gone = [...writers].filter(([, member]) => member === undefined || !memberIds.includes(member))
  await Promise.all(gone.map(([writer]) => committer.end(writer)))
}

/** Their transactional ids, each with the member that it was. */
function writersOf(cursors: ReadonlyMap<string, Cursor>, formerId: string): Map<string, string | undefined> {
  const writers = new Map<string, string | undefined>()
  for (const { metadata } of cursors.values()) {
    const { writer, member } = readCursorMetadata(metadata)
    if (writer !== undefined) writers.set(writer, member)
    else if (isOurs(metadata)) writers.set(formerId, undefined)
  }
  return writers
}
