import type { ReadingProgress } from '../../contracts/lookups.ts'
import type { Lookup } from '../../contracts/question.ts'
import { groupPositions, partitionsOf } from '../../log/group-positions.ts'
import { LogError, type LogAdmin, type TopicPartition } from '../../log/port.ts'

/**
 * Answers how far everything on a path has been read, stage by stage. A reader that finds all of it
 * read that was there when it asked before knows that what each stage took has reached the next
 * one.
 */

/**
 * How far there is to read at one place of the path, and after that how far has been read. Rejects
 * when that is not known.
 */
export type Stage = () => Promise<ReadingProgress>

export interface Path {
  /**
   * In the order in which a record passes them: the end of a later stage counts what an earlier one
   * has passed on.
   */
  readonly stages: readonly Stage[]
  readonly now: () => number
  /** The progress is not known. Who waits for this answer waits on, so it must be seen. */
  readonly failed: (error: unknown) => void
}

export function progressAlong({ stages, now, failed }: Path): Lookup {
  return async () => {
    try {
      const ends: number[] = []
      const read: number[] = []
      for (const stage of stages) {
        const progress = await stage()
        ends.push(...progress.ends)
        read.push(...progress.read)
      }
      const value: ReadingProgress = { ends, read }
      return { kind: 'found', value, at: now() }
    } catch (error) {
      failed(error)
      return { kind: 'unavailable', reason: 'PROGRESS_UNKNOWN', at: now() }
    }
  }
}

/** Which group reads what. */
export interface Reading {
  readonly admin: Pick<LogAdmin, 'partitions' | 'bounds' | 'committed'>
  readonly group: string
  readonly topic: string
}

/**
 * By partition. For topics that are written without transactions: behind the last record of a
 * transaction stands its marker, which no group commits.
 */
export function groupProgress({ admin, group, topic }: Reading): Stage {
  let partitions: readonly TopicPartition[] | undefined
  return async () => {
    partitions ??= await existing(admin, topic)
    const positions = await groupPositions(admin, group, partitions)
    return { ends: positions.map(({ end }) => end), read: positions.map(({ next }) => next) }
  }
}

async function existing(
  admin: Pick<LogAdmin, 'partitions'>,
  topic: string,
): Promise<readonly TopicPartition[]> {
  const partitions = await partitionsOf(admin, [topic])
  if (partitions.length === 0) throw new LogError('fatal', `topic ${topic} does not exist`)
  return partitions
}
