import { LogError, partitionKey } from '../port.ts'
import type { OutRecord, TopicPartition, TopicSpec, Written } from '../port.ts'
import { bytesOf, RECORD_BYTES_MAX } from './record-size.ts'
import { PartitionLog } from './partition-log.ts'
import type { Fate, Lost } from './partition-log.ts'

interface Topic {
  /** No two topics ever made have the same. */
  readonly id: string
  readonly spec: TopicSpec
  readonly partitions: readonly PartitionLog[]
}

/** The topics of the log and what is in them. */
export class Topics {
  readonly #topics = new Map<string, Topic>()
  #made = 0

  /** All are verified before any is created, so that a refused call has changed nothing. */
  ensure(specs: readonly TopicSpec[]): void {
    for (const spec of specs) verify(spec, this.#topics.get(spec.name)?.spec)
    for (const spec of specs) {
      if (this.#topics.has(spec.name)) continue
      this.#made += 1
      this.#topics.set(spec.name, create(spec, `topic-${this.#made}`))
    }
  }

  idOf(topic: string): string | undefined {
    return this.#topics.get(topic)?.id
  }

  delete(topics: readonly string[]): void {
    for (const topic of topics) {
      if (!this.#topics.delete(topic)) throw unknownTopic(topic)
    }
  }

  /** Deleted and made again with the same settings, in one step: another id, and nothing in it. */
  recreate(name: string): Lost {
    const { spec, partitions } = this.#found(name)
    this.#topics.delete(name)
    this.ensure([spec])
    const made = this.partitionsOf(name)
    const lost = partitions.flatMap((log, i) => {
      const successor = made[i]
      return successor === undefined ? [] : [log.replace(successor)]
    })
    return () => lost.flatMap((records) => records())
  }

  /** Zero for a topic that does not exist. */
  partitionCount(topic: string): number {
    return this.#topics.get(topic)?.partitions.length ?? 0
  }

  partitionsOf(topic: string): readonly PartitionLog[] {
    return this.#found(topic).partitions
  }

  #found(topic: string): Topic {
    const found = this.#topics.get(topic)
    if (found === undefined) throw unknownTopic(topic)
    return found
  }

  find(at: TopicPartition): PartitionLog | undefined {
    return this.#topics.get(at.topic)?.partitions[at.partition]
  }

  partition(at: TopicPartition): PartitionLog {
    const found = this.find(at)
    if (found === undefined) throw new LogError('fatal', `there is no partition ${partitionKey(at)}`)
    return found
  }

  /** For whoever wants to read or to write; LogError `retriable` while nobody leads it. */
  led(at: TopicPartition): PartitionLog {
    const log = this.partition(at)
    if (!log.isLed) throw new LogError('retriable', `${partitionKey(at)} has no leader`)
    return log
  }

  isCompacted(topic: string): boolean {
    return this.#topics.get(topic)?.spec.config['cleanup.policy']?.includes('compact') ?? false
  }

  /** Appends in the order given; a record that cannot be taken refuses them all. */
  append(records: readonly OutRecord[], fate: Fate | null, touched: Set<PartitionLog>): Written {
    const logs = records.map((record) => this.#accepting(record))
    const written = new Map<string, number>()
    for (const [i, record] of records.entries()) {
      const log = logs[i]
      if (log === undefined) continue
      touched.add(log)
      written.set(partitionKey(record), log.append(record, fate))
    }
    return written
  }

  #accepting(record: OutRecord): PartitionLog {
    const log = this.led(record)
    const bytesMax = Number(
      this.#topics.get(record.topic)?.spec.config['max.message.bytes'] ?? RECORD_BYTES_MAX,
    )
    if (bytesOf(record) > bytesMax)
      throw new LogError('fatal', `${record.topic} takes no record of ${bytesOf(record)} bytes`)
    if (record.key === null && this.isCompacted(record.topic)) {
      throw new LogError('fatal', `${record.topic} is compacted and takes no record without a key`)
    }
    return log
  }
}

function create(spec: TopicSpec, id: string): Topic {
  const partitions = Array.from(
    { length: spec.partitions },
    (_, partition) => new PartitionLog({ topic: spec.name, partition }),
  )
  return { id, spec, partitions }
}

function verify(wanted: TopicSpec, found: TopicSpec | undefined): void {
  if (!Number.isInteger(wanted.partitions) || wanted.partitions < 1) {
    throw new LogError('fatal', `${wanted.name} needs at least one partition`)
  }
  if (found === undefined) return
  if (found.partitions !== wanted.partitions) {
    throw new LogError('fatal', `${wanted.name} has ${found.partitions} partitions, not ${wanted.partitions}`)
  }
  for (const [setting, value] of Object.entries(wanted.config)) {
    const is = found.config[setting] ?? 'unset'
    if (is !== value) throw new LogError('fatal', `${wanted.name} has ${setting} ${is}, not ${value}`)
  }
}

function unknownTopic(topic: string): LogError {
  return new LogError('fatal', `there is no topic ${topic}`)
}
