import type { Topology } from '../../dsl/topology.ts'
import { partitionKey, type Bounds, type Cursor, type TopicPartition } from '../../log/port.ts'
import type { Marks } from './marks.ts'
import type { Known } from './origin.ts'

/** What the log says of a task, by `partitionKey`. */
export interface Found {
  readonly committed: ReadonlyMap<string, Cursor>
  readonly bounds: ReadonlyMap<string, Bounds>
}

/** The partitions that a task reads. */
export class Sources {
  readonly topics: readonly string[]
  readonly at: readonly TopicPartition[]

  constructor(topology: Topology, partition: number) {
    this.topics = topology.inputs.map((topic) => topic.name)
    this.at = this.topics.map((topic) => ({ topic, partition }))
  }

  /** An input that was never read begins at its first retained record. */
  knownOf({ committed, bounds }: Found, marks: Marks): readonly Known[] {
    return this.at.map((at) => ({
      topic: at.topic,
      bounds: bounds.get(partitionKey(at)) ?? { start: 0, end: 0 },
      cursor: committed.get(partitionKey(at)),
      mark: marks.all.get(at.topic),
      markId: marks.idOf(at.topic),
    }))
  }

  /** Before the store has been opened: where the cursors stand. */
  cursorsIn({ committed, bounds }: Found): ReadonlyMap<string, number> {
    return new Map(
      this.at.map((at) => {
        const cursor = committed.get(partitionKey(at))?.next ?? 0
        return [at.topic, Math.max(cursor, bounds.get(partitionKey(at))?.start ?? 0)]
      }),
    )
  }

  endsIn(bounds: ReadonlyMap<string, Omit<Bounds, 'start'>>): ReadonlyMap<string, number> {
    return new Map(this.at.map((at) => [at.topic, bounds.get(partitionKey(at))?.end ?? 0]))
  }

  idsIn(bounds: ReadonlyMap<string, Omit<Bounds, 'start'>>): ReadonlyMap<string, string | undefined> {
    return new Map(this.at.map((at) => [at.topic, bounds.get(partitionKey(at))?.topicId]))
  }
}
