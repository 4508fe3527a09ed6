import {
  partitionKey,
  type Cursor,
  type LogAdmin,
  type LogClient,
  type LogConsumer,
  type LogTransactions,
  type TopicPartition,
  type Written,
} from '../../../streams/log/port.ts'

/**
 * A corner of a shared log: topics have their usual names here, and a prefix there. Groups are as
 * given.
 */
export function prefixedLog(log: LogClient, prefix: string): LogClient {
  const there = <T extends TopicPartition>(at: T): T => ({ ...at, topic: `${prefix}${at.topic}` })
  const here = <T extends TopicPartition>(at: T): T => ({ ...at, topic: at.topic.slice(prefix.length) })
  return {
    admin: prefixedAdmin(log.admin, prefix, there),
    consumer: (options) =>
      prefixedConsumer(
        log.consumer({
          ...options,
          topics: options.topics.map((topic) => prefix + topic),
          onAssigned: (held, generation, standbys) =>
            options.onAssigned(held.map(here), generation, standbys),
          onRecords: (at, records, next) => options.onRecords(here(at), records.map(here), next),
        }),
        there,
      ),
    reader: () => {
      const reader = log.reader()
      return {
        read: async (at, offset, limits) => {
          const read = await reader.read(there(at), offset, limits)
          return { ...read, records: read.records.map(here) }
        },
        close: () => reader.close(),
      }
    },
    writer: () => {
      const writer = log.writer()
      return {
        write: (records) => writer.write(records.map(there)),
        close: () => writer.close(),
      }
    },
    transactions: (options) => prefixedTransactions(log.transactions(options), prefix, there),
    close: () => log.close(),
  }
}

type Renamed = <T extends TopicPartition>(at: T) => T

const prefixedAdmin = (admin: LogAdmin, prefix: string, there: Renamed): LogAdmin => {
  const named = <V>(found: ReadonlyMap<string, V>): ReadonlyMap<string, V> =>
    new Map([...found].map(([name, value]) => [name.slice(prefix.length), value]))
  return {
    ensureTopics: (specs) => admin.ensureTopics(specs.map((spec) => ({ ...spec, name: prefix + spec.name }))),
    partitions: async (topics) => named(await admin.partitions(topics.map((topic) => prefix + topic))),
    bounds: async (at) => named(await admin.bounds(at.map(there))),
    ends: async (at) => named(await admin.ends(at.map(there))),
    committed: async (group, at, how) => {
      const found = await admin.committed(group, at.map(there), how)
      const cursors = at.flatMap((one): [string, Cursor][] => {
        const cursor = found.get(partitionKey(there(one)))
        return cursor === undefined ? [] : [[partitionKey(one), { ...cursor, topic: one.topic }]]
      })
      return new Map(cursors)
    },
    moveCursors: (group, cursors) => admin.moveCursors(group, cursors.map(there)),
    deleteTopics: (topics) => admin.deleteTopics(topics.map((topic) => prefix + topic)),
    groupState: (group) => admin.groupState(group),
  }
}

function prefixedTransactions(given: LogTransactions, prefix: string, there: Renamed): LogTransactions {
  const names = (written: Written): Written =>
    new Map([...written].map(([key, next]) => [key.slice(prefix.length), next]))
  return {
    fence: () => given.fence(),
    commit: async ({ records, moves }) => {
      const moved = moves.map((move) => ({
        ...move,
        cursors: (written: Written) => move.cursors(names(written)).map(there),
      }))
      return names(await given.commit({ records: records.map(there), moves: moved }))
    },
    close: () => given.close(),
  }
}

const prefixedConsumer = (consumer: LogConsumer, there: Renamed): LogConsumer => ({
  start: () => consumer.start(),
  stop: () => consumer.stop(),
  seek: (at, offset) => consumer.seek(there(at), offset),
  pause: (at) => consumer.pause(at.map(there)),
  resume: (at) => consumer.resume(at.map(there)),
  reassign: () => consumer.reassign(),
  member: () => consumer.member(),
  commit: (cursors) => consumer.commit(cursors.map(there)),
})
