import { deadLetterTopicOf } from '../contracts/topic.ts'
import { changelogsOf, type Topology } from '../dsl/topology.ts'
import { LogError, type LogAdmin } from '../log/port.ts'
import type { Clock } from './clock.ts'
import { readCursorMetadata } from './opening/cursor.ts'

type Counts = ReadonlyMap<string, number>

/** Every topic that a worker of this topology touches. */
export const topicsOf = (topology: Topology): readonly string[] => [
  ...topology.inputs.flatMap((topic) => [topic.name, deadLetterTopicOf(topic.name)]),
  ...topology.outputs.map((topic) => topic.name),
  ...changelogsOf(topology),
]

/** What must have one number of partitions, so that a key has all that is its own in one place. */
const together = (topology: Topology): readonly string[] => [
  ...topology.inputs.map((topic) => topic.name),
  ...changelogsOf(topology),
]

/**
 * Undeclared topics and uneven partition counts fail at the start, with a sentence that says what
 * to do.
 */
export function assertTopics(topology: Topology, partitions: Counts): void {
  const missing = topicsOf(topology).filter((topic) => !partitions.has(topic))
  if (missing.length > 0) {
    throw new LogError(
      'fatal',
      `topology ${topology.name} needs ${missing.join(', ')}: run the provisioner first`,
    )
  }
  const counts = together(topology).map((topic) => `${topic} (${partitions.get(topic)})`)
  if (new Set(together(topology).map((topic) => partitions.get(topic))).size > 1) {
    throw new LogError(
      'fatal',
      `topology ${topology.name} joins topics with different partition counts: ${counts.join(', ')}; recreate them with one count`,
    )
  }
}

/**
 * Partitions that were added since: keys lie elsewhere now than their rows do. The cursors say how
 * many there were.
 */
export async function assertCounts(
  topology: Topology,
  partitions: Counts,
  group: string,
  admin: Pick<LogAdmin, 'committed'>,
): Promise<void> {
  const at = topology.inputs.flatMap(({ name: topic }) =>
    Array.from({ length: partitions.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })),
  )
  for (const { topic, metadata } of (await admin.committed(group, at, 'asTheyAre')).values()) {
    const was = readCursorMetadata(metadata).partitions
    const is = partitions.get(topic)
    if (was !== undefined && was !== is) throw changed(topology, topic, was, is)
  }
}

export interface CountsWatch {
  readonly topology: Topology
  readonly before: Counts
  readonly admin: Pick<LogAdmin, 'partitions'>
  readonly clock: Clock
  readonly everyMs: number
  readonly onFailed: (error: LogError) => void
  readonly signal: AbortSignal
}

/** Partitions may be added while a member runs. */
export async function watchCounts(watch: CountsWatch): Promise<void> {
  const { topology, before, admin, clock, everyMs, onFailed, signal } = watch
  while (!signal.aborted) {
    await clock.sleep(everyMs, signal)
    if (signal.aborted) return
    try {
      assertUnchanged(topology, before, await admin.partitions(topicsOf(topology)))
    } catch (error) {
      // A log that does not answer says so elsewhere too, and is asked again.
      if (error instanceof LogError && error.code === 'fatal') return onFailed(error)
    }
  }
}

/** A topic that is gone has other ways to make itself felt. */
function assertUnchanged(topology: Topology, before: Counts, now: Counts): void {
  for (const topic of topicsOf(topology)) {
    const [was, is] = [before.get(topic), now.get(topic)]
    if (was !== undefined && is !== undefined && was !== is) throw changed(topology, topic, was, is)
  }
}

const changed = (topology: Topology, topic: string, was: number, is: number | undefined): LogError =>
  new LogError(
    'fatal',
    `${topic} had ${was} partitions when topology ${topology.name} read it, and has ${is} now: ` +
      'the rows of its keys are stranded; make a topic with the former count, or begin the topology anew',
  )
