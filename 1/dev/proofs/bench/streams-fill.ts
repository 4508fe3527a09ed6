import { encode } from '../../../streams/contracts/decode.ts'
import { changelogsOf, changelogTopicOf } from '../../../streams/dsl/topology.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import type { LogClient, OutRecord } from '../../../streams/log/port.ts'
import { encodeRow } from '../../../streams/runtime/store/row.ts'
import { partOf, type Job } from './streams-jobs.ts'

/** What a case finds on the log: its topics, the rows that its state already has, and its input. */
export interface Place {
  readonly log: LogClient
  readonly job: Job
  readonly partitions: number
}

const WRITE_MAX = 5000

/**
 * A prime, by which numbers that follow each other become keys that do not: neighbours in the store
 * are no neighbours in time.
 */
const SCATTER = 7_368_787

const topicsOf = ({ job }: Place): readonly string[] => [
  ...job.inputs.flatMap(({ name }) => [name, `${name}.deadletter`]),
  job.output.name,
  ...changelogsOf(job.topology),
]

export async function provision(place: Place): Promise<void> {
  const changelogs = new Set(changelogsOf(place.job.topology))
  await place.log.admin.ensureTopics(
    topicsOf(place).map((name) => ({
      name,
      partitions: place.partitions,
      replicas: 1,
      config: { 'cleanup.policy': changelogs.has(name) ? 'compact' : 'delete' },
    })),
  )
}

export async function remove(place: Place): Promise<void> {
  await place.log.admin.deleteTopics(topicsOf(place))
}

const idOf = (n: number): string => `key-${String(n).padStart(12, '0')}`
/** Of numbers below `keys`, each one once. */
const scattered = (n: number, keys: number): number => (n * SCATTER) % keys

/** One row for each of `keys` keys, on the changelog as the job itself would have left it there. */
export async function fillState(place: Place, keys: number): Promise<void> {
  const { job, partitions } = place
  if (job.kept === undefined) return
  const topic = changelogTopicOf(job.topology.name, job.kept.store)
  const value = encodeRow({ state: job.kept.row, timers: {}, replayed: false })
  await write(place, keys, (n) => {
    const key = idOf(2 * n)
    return { topic, partition: partitionOf(key, partitions), key, value, timestamp: Date.now() }
  })
}

/**
 * `records` input records. Aggregation and join meet keys that they have state for, the dedupe keys
 * that lie between those it has. The segments of one key are far apart, so that none of its rows is
 * still at hand. Those of a join are side by side, so that both inputs have some at all times.
 */
export async function fillInput(place: Place, records: number, keysInState: number): Promise<void> {
  const { job } = place
  const keys = Math.floor(records / job.segments)
  const space = Math.max(keysInState, keys)
  const odd = job.segments === 1 ? 1 : 0
  const near = job.inputs.length > 1
  await write(place, records, (n) => {
    const key = near ? Math.floor(n / job.segments) : n % keys
    const part = near ? n % job.segments : Math.floor(n / keys)
    return inputRecord(place, idOf(2 * scattered(key, space) + odd), part)
  })
}

export function inputRecord({ job, partitions }: Place, id: string, part: number): OutRecord {
  const value = encode(partOf(id, part))
  return {
    topic: (job.inputs[part % job.inputs.length] ?? job.inputs[0]).name,
    partition: partitionOf(id, partitions),
    key: id,
    value,
    timestamp: Date.now(),
  }
}

async function write({ log }: Place, count: number, recordOf: (n: number) => OutRecord): Promise<void> {
  const writer = log.writer()
  for (let from = 0; from < count; from += WRITE_MAX) {
    const length = Math.min(WRITE_MAX, count - from)
    await writer.write(Array.from({ length }, (_, index) => recordOf(from + index)))
  }
  await writer.close()
}
