import { changelogTopicOf, MARKS_STORE, type Topology } from '../../dsl/topology.ts'
import {
  LogError,
  partitionKey,
  type Bounds,
  type LogReader,
  type LogRecord,
  type TopicPartition,
} from '../../log/port.ts'
import type { Sleep } from '../../platform/backoff.ts'
import { storeOf } from './mark-rows.ts'
import { timersOf } from './row.ts'
import type { Checkpoint, RowChange, Store } from './store.ts'

/**
 * Brings the local store to the end of its changelogs. The owner has fenced its predecessor before,
 * so nobody writes these partitions any more and their last stable offset is their end. Completion
 * is by position, because a tail of control records never shows as a record.
 */
export interface RestoreOptions {
  readonly topology: Topology
  readonly partition: number
  readonly reader: LogReader
  readonly store: Store
  /** From the metadata of the committed cursor: a changelog that ends below has lost records. */
  readonly atLeast: Readonly<Record<string, number>>
  readonly bytesMax: number
  /** For how long a changelog may be shorter than what is known of it. */
  readonly shortMsMax: number
  /** Where the changelogs began and ended when the task was opened, by `partitionKey`. */
  readonly bounds: ReadonlyMap<string, Bounds>
  readonly onProgress: (records: number, left: ReadonlyMap<string, number>) => void
  readonly sleep: Sleep
  readonly nowMs: number
  readonly onWiped: (reason: unknown) => void
  /** The partition was taken away: stop where the store stands. */
  readonly signal: AbortSignal
}

/**
 * Nothing new comes after the fence, so a read at the end is not to wait for it. Not 0, or a
 * throttled read would be repeated at once.
 */
const WAIT_MS = 10
/**
 * A changelog is short only if it stays short. An owner that has been fenced and does not know it
 * yet may see a cursor before the markers of its transaction. And a broker that comes back shows
 * less than it holds, until it has found its high watermark and its coordinators have ended what
 * they had promised.
 */
const SHORT_LOOK_AGAIN_MS = 100

/**
 * A tombstone is kept for `delete.retention.ms` after compaction (24 h, catalogue.ts) and then
 * forgotten: a store that has been away for longer might keep a row for ever that was deleted
 * meanwhile. Half of that leaves room for skewed clocks.
 */
export const STALE_AFTER_MS = 12 * 3_600_000

/**
 * Answers how many records were applied. Throws `fatal` when a changelog is shorter than what was
 * committed.
 */
export async function restore(options: RestoreOptions): Promise<number> {
  await wipeStale(options.store, options.nowMs, options.onWiped)
  await wipeForeign(options.store, options)
  const progress = new RestoreProgress(options)
  for (const store of options.topology.stores) await restoreOne(options, store, progress)
  return progress.records
}

export const isStale = ({ atMs }: Checkpoint, nowMs: number): boolean =>
  Math.abs(nowMs - atMs) > STALE_AFTER_MS

/** Forgets what was away for too long. */
export async function wipeStale(
  store: Store,
  nowMs: number,
  onWiped: (reason: unknown) => void,
): Promise<void> {
  const checkpoint = store.checkpoint()
  if (Object.keys(checkpoint.changelogs).length === 0 || !isStale(checkpoint, nowMs)) return
  onWiped(new Error(`the local store was away for ${Math.round((nowMs - checkpoint.atMs) / 3_600_000)} h`))
  await store.wipe()
}

type Foreign = Pick<RestoreOptions, 'topology' | 'partition' | 'bounds' | 'nowMs' | 'onWiped'> &
  Partial<Pick<RestoreOptions, 'atLeast'>>

/**
 * Forgets what was read from a changelog that was made again since: its offsets count something
 * else. Not while one is shorter than what is known of it, because then the copy may be all that is
 * left. Where the broker tells no ids, and of what was kept before ids were, nothing is known.
 */
export async function wipeForeign(store: Store, foreign: Foreign): Promise<void> {
  const { topology, nowMs, onWiped } = foreign
  const { topicIds: known = {}, changelogs } = store.checkpoint()
  const found = topology.stores.map((name) => ({ name, ...changelogIn(foreign, name) }))
  const ids = found.flatMap(({ name, topicId }) => (topicId === undefined ? [] : [[name, topicId] as const]))
  if (ids.every(([name, topicId]) => known[name] === topicId)) return
  if (found.some(({ name, end, atLeast }) => end < Math.max(changelogs[name] ?? 0, atLeast))) return
  const remade = ids.find(([name, topicId]) => known[name] !== undefined && known[name] !== topicId)
  if (remade !== undefined) {
    onWiped(new Error(`${changelogTopicOf(topology.name, remade[0])} was deleted and made again`))
    await store.wipe()
  }
  const topicIds = Object.fromEntries(ids)
  await store.commit([], { changelogs: store.checkpoint().changelogs, atMs: nowMs, topicIds })
}

function changelogIn({ topology, partition, bounds, atLeast }: Foreign, name: string) {
  const topic = changelogTopicOf(topology.name, name)
  return { ...(bounds.get(partitionKey({ topic, partition })) ?? NOTHING), atLeast: atLeast?.[name] ?? 0 }
}

const NOTHING: Bounds = { start: 0, end: 0 }

/** Counts over all changelogs of the task: the first is not the last. */
class RestoreProgress {
  records = 0
  readonly #left: Map<string, number>
  readonly #onProgress: RestoreOptions['onProgress']

  constructor({ topology, partition, store, bounds, onProgress }: RestoreOptions) {
    const { changelogs } = store.checkpoint()
    this.#left = new Map(
      topology.stores.map((name) => {
        const topic = changelogTopicOf(topology.name, name)
        const { start, end } = bounds.get(partitionKey({ topic, partition })) ?? { start: 0, end: 0 }
        return [topic, Math.max(0, end - Math.max(start, changelogs[name] ?? 0))]
      }),
    )
    this.#onProgress = onProgress
    onProgress(0, this.#left)
  }

  step(topic: string, records: number, left: number): void {
    this.records += records
    this.#left.set(topic, left)
    this.#onProgress(this.records, this.#left)
  }
}

async function restoreOne(options: RestoreOptions, name: string, progress: RestoreProgress): Promise<void> {
  const { store, partition } = options
  const at = { topic: changelogTopicOf(options.topology.name, name), partition }
  let next = store.checkpoint().changelogs[name] ?? 0
  for (;;) {
    const read = await readWhole(options, at, next, options.atLeast[name] ?? 0)
    if (read === null) return
    if (read.records.length > 0 || read.next > next) {
      next = Math.max(next, read.next)
      await apply(store, { name, records: read.records, next, nowMs: options.nowMs })
      progress.step(at.topic, read.records.length, Math.max(0, read.end - next))
    }
    if (next >= read.end || options.signal.aborted) return
  }
}

/**
 * One fetch of a changelog that is not shorter than what was committed, nor than the local store;
 * null when told to stop.
 */
async function readWhole(
  { reader, bytesMax, sleep, signal, shortMsMax }: RestoreOptions,
  at: TopicPartition,
  next: number,
  committed: number,
): Promise<Awaited<ReturnType<LogReader['read']>> | null> {
  const atLeast = Math.max(committed, next)
  for (let waitedMs = 0; ; waitedMs += SHORT_LOOK_AGAIN_MS) {
    const read = await reader.read(at, next, { bytesMax, waitMs: WAIT_MS })
    if (read.end >= atLeast) return read
    if (waitedMs >= shortMsMax) throw shortened(at.topic, read.end, atLeast)
    await sleep(SHORT_LOOK_AGAIN_MS, signal)
    if (signal.aborted) return null
  }
}

function shortened(topic: string, end: number, atLeast: number): LogError {
  const lost = `${topic} ends at ${end}, but is known up to ${atLeast}: the changelog was truncated or recreated`
  return new LogError('fatal', `${lost}; restore it, or wipe the state on purpose`)
}

export interface Tail {
  /** Of the store whose changelog this is from. */
  readonly name: string
  readonly records: readonly LogRecord[]
  /** Where that changelog goes on. */
  readonly next: number
  readonly nowMs: number
}

/** Rows and position in one batch; of the records of one key only the last is written. */
export async function apply(store: Store, { name, records, next, nowMs }: Tail): Promise<void> {
  const latest = new Map<string, RowChange>()
  for (const record of records) {
    if (record.key === null) continue
    const key = record.key.toString('utf8')
    latest.set(key, changeOf(name, key, record.value?.toString('utf8')))
  }
  const { changelogs } = store.checkpoint()
  await store.commit([...latest.values()], { changelogs: { ...changelogs, [name]: next }, atMs: nowMs })
}

/**
 * The former row is not read: an index entry of a timer that it had is stale, and dropped when it
 * comes due.
 */
function changeOf(name: string, key: string, encoded: string | undefined): RowChange {
  const store = storeOf(name, key)
  const timers = encoded === undefined || store === MARKS_STORE ? {} : timersOf(encoded)
  const armed = Object.entries(timers).map(([timer, dueMs]) => ({ dueMs, store, timer, key }))
  return { store, key, encoded, armed, disarmed: [] }
}
