import { partitionKey, type LogClient } from '../streams/log/port.ts'

/** Records of each topic that a group has not taken: the end of every partition less the group's cursor. */
export async function lagOf(
  log: LogClient,
  group: string,
  topics: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const counts = await log.admin.partitions(topics)
  const all = [...counts].flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  )
  const [cursors, bounds] = await Promise.all([log.admin.committed(group, all), log.admin.bounds(all)])
  const lag = new Map<string, number>()
  for (const at of all) {
    const { start, end } = bounds.get(partitionKey(at)) ?? { start: 0, end: 0 }
    const next = Math.max(cursors.get(partitionKey(at))?.next ?? start, start)
    lag.set(at.topic, (lag.get(at.topic) ?? 0) + Math.max(0, end - next))
  }
  return lag
}
