import { partitionKey, type LogAdmin, type TopicPartition } from './port.ts'

type Admin = Pick<LogAdmin, 'partitions' | 'bounds' | 'committed'>

/**
 * Where a group stands in one partition. What retention took before it was read is not waited for.
 */
export interface GroupPosition extends TopicPartition {
  /** Next offset to read. */
  readonly next: number
  /** Last stable offset. */
  readonly end: number
}

/** All partitions of the topics; a topic that does not exist has none. */
export async function partitionsOf(
  admin: Pick<LogAdmin, 'partitions'>,
  topics: readonly string[],
): Promise<readonly TopicPartition[]> {
  const counts = await admin.partitions(topics)
  return [...counts].flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  )
}

export async function groupPositions(
  admin: Pick<Admin, 'bounds' | 'committed'>,
  group: string,
  at: readonly TopicPartition[],
): Promise<readonly GroupPosition[]> {
  // The ends first: who finds all of them read knows that everything was read which was there when
  // it asked.
  const bounds = await admin.bounds(at)
  // Not waiting for those that a transaction is about to move: there is always one.
  const cursors = await admin.committed(group, at, 'asTheyAre')
  return at.map(({ topic, partition }) => {
    const key = partitionKey({ topic, partition })
    const { start, end } = bounds.get(key) ?? { start: 0, end: 0 }
    return { topic, partition, next: Math.max(start, cursors.get(key)?.next ?? start), end }
  })
}

/**
 * Records of each topic that a group has not taken. Counts control records, which vanish with the
 * next read.
 */
export async function groupLag(
  admin: Admin,
  group: string,
  topics: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const lags = new Map<string, number>()
  for (const { topic, next, end } of await groupPositions(admin, group, await partitionsOf(admin, topics)))
    lags.set(topic, (lags.get(topic) ?? 0) + Math.max(0, end - next))
  return lags
}
