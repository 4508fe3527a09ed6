import { LogError, partitionKey } from '../port.ts'
import type { Bounds, Cursor, LogAdmin, TopicPartition } from '../port.ts'
import type { Broker } from './broker.ts'
import type { Connection } from './connection.ts'

export function memoryAdmin(broker: Broker, connection: Connection): LogAdmin {
  const { topics, groups } = broker
  const ask = <T>(operation: string, work: () => T): Promise<T> =>
    connection.request(() => {
      if (broker.faults.adminRefused?.({ operation }) === true) {
        throw new LogError('retriable', `${operation} did not arrive`)
      }
      return work()
    })
  return {
    ensureTopics: (specs) => ask('ensureTopics', () => topics.ensure(specs)),
    partitions: (names) => ask('partitions', () => partitionCounts(broker, names)),
    bounds: (at) =>
      ask('bounds', () => {
        for (const one of at) topics.led(one)
        return boundsOf(broker, at)
      }),
    ends: (at) =>
      ask('ends', () => {
        for (const one of at) topics.led(one)
        return boundsOf(broker, at)
      }),
    committed: (group, at, how) =>
      ask('committed', () => {
        if (how !== 'asTheyAre') broker.transactions.assertSettled(group, at)
        return cursorsAt(broker, group, at)
      }),
    moveCursors: (group, cursors) => ask('moveCursors', () => moveCursors(broker, group, cursors)),
    deleteTopics: (names) =>
      ask('deleteTopics', () => {
        topics.delete(names)
        groups.forgetTopics(names)
      }),
    groupState: (group) => ask('groupState', () => groups.state(group)),
  }
}

function partitionCounts({ topics }: Broker, names: readonly string[]): Map<string, number> {
  const counts = names.map((name): [string, number] => [name, topics.partitionCount(name)])
  return new Map(counts.filter(([, count]) => count > 0))
}

function boundsOf({ topics }: Broker, at: readonly TopicPartition[]): Map<string, Bounds> {
  return new Map(
    at.map((one) => {
      const log = topics.partition(one)
      return [partitionKey(one), { start: log.start, end: log.lastStable, topicId: topics.idOf(one.topic) }]
    }),
  )
}

function cursorsAt({ groups }: Broker, group: string, at: readonly TopicPartition[]): Map<string, Cursor> {
  const cursors = groups.cursors(group)
  const found = new Map<string, Cursor>()
  for (const one of at) {
    const cursor = cursors.get(partitionKey(one))
    if (cursor !== undefined) found.set(partitionKey(one), cursor)
  }
  return found
}

function moveCursors({ groups }: Broker, group: string, cursors: readonly Cursor[]): void {
  const { members } = groups.state(group)
  if (members > 0)
    throw new LogError('fatal', `${group} has ${members} members: its cursors stay where they are`)
  groups.check(cursors)
  groups.move(group, cursors)
}
