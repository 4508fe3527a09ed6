import { decode, type DecodeError } from '../streams/contracts/decode.ts'
import type { Topic } from '../streams/contracts/topic.ts'
import type { LogRecord } from '../streams/log/port.ts'
import type { Batch } from '../streams/runtime/consume.ts'

/** A reader of some topics that stores their records in one place, in a group of its own. */
export interface Sink {
  /** For logs and the `sink` label. */
  readonly name: string
  readonly group: string
  readonly topics: readonly string[]
  /**
   * Resolves when everything of the batch is stored; a rejection means: again later, nothing is
   * lost.
   */
  readonly handle: (batch: Batch) => Promise<void>
}

export interface SinkHooks {
  /**
   * Not what the contract says. Topologies dead-letter what they cannot read. A sink only has to
   * say so and go on.
   */
  unreadable(record: LogRecord, reason: string, errors: readonly DecodeError[]): void
  written(topic: string, records: number): void
}

/** How a sink takes one topic. */
export interface Taking {
  readonly topic: string
  readonly take: (batch: Batch) => Promise<void>
}

/**
 * `write` gets the readable values of one partition in log order, never none, and says how many it
 * has stored.
 */
export const taking = <V>(
  topic: Topic<V>,
  hooks: SinkHooks,
  write: (values: readonly V[], partition: number) => Promise<number>,
): Taking => ({
  topic: topic.name,
  take: async (batch) => {
    const values = readable(topic, batch, hooks)
    if (values.length > 0) hooks.written(topic.name, await write(values, batch.partition))
  },
})

function readable<V>(topic: Topic<V>, batch: Batch, hooks: SinkHooks): readonly V[] {
  const values: V[] = []
  for (const record of batch.records) {
    const decoded = decode(topic, record.value)
    if (decoded.ok) values.push(decoded.value)
    else hooks.unreadable(record, decoded.reason, decoded.errors)
  }
  return values
}

export function sink(name: string, takings: readonly Taking[]): Sink {
  const byTopic = new Map(takings.map(({ topic, take }) => [topic, take]))
  return {
    name,
    group: `sms.sink.${name}`,
    topics: [...byTopic.keys()],
    handle: async (batch) => {
      const take = byTopic.get(batch.topic)
      if (take === undefined) throw new Error(`sink ${name} does not read ${batch.topic}`)
      await take(batch)
    },
  }
}
