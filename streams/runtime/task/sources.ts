import type { Topology } from '../../dsl/topology.ts'
import { partitionKey, type Bounds, type Cursor, type TopicPartition } from '../../log/port.ts'

/**
 * Where a task goes on in one input. `next` is beyond `cursor` when retention has taken records
 * that nobody had read.
 */
export interface SourceStart {
  readonly topic: string
  readonly cursor: number
  readonly next: number
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
  startsIn(
    committed: ReadonlyMap<string, Cursor>,
    bounds: ReadonlyMap<string, Bounds>,
  ): readonly SourceStart[] {
    return this.at.map((at) => {
      const start = bounds.get(partitionKey(at))?.start ?? 0
      const cursor = committed.get(partitionKey(at))?.next ?? start
      return { topic: at.topic, cursor, next: Math.max(cursor, start) }
    })
  }

  endsIn(bounds: ReadonlyMap<string, Bounds>): ReadonlyMap<string, number> {
    return new Map(this.at.map((at) => [at.topic, bounds.get(partitionKey(at))?.end ?? 0]))
  }
}
