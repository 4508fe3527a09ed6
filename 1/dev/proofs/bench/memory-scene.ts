import { z } from 'zod'
import { encode } from '../../../streams/contracts/decode.ts'
import { envelope, topic, type Topic } from '../../../streams/contracts/topic.ts'
import { defineProcessor } from '../../../streams/dsl/processor.ts'
import { changelogsOf, defineTopology, type Topology } from '../../../streams/dsl/topology.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import type { LogClient, OutRecord } from '../../../streams/log/port.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { encodeRow } from '../../../streams/runtime/store/row.ts'
import { levelStores } from '../../../streams/runtime/store/level.ts'
import type { RowChange, Store } from '../../../streams/runtime/store/store.ts'

/**
 * What `memory.ts` measures with: a topology that keeps a row of about 200 bytes a key and rewrites
 * it with every record, its stores filled through their own batch interface, and a backlog that
 * touches random keys.
 */
const Touch = z.object({ ...envelope, id: z.string(), n: z.number().int(), pad: z.string() })
const Touched = z.object({ count: z.number().int(), pad: z.string() })
const STORE = 'touched'
/** With it a record and a row have about 200 bytes. */
const RECORD_PADDING = 'x'.repeat(60)
const ROW_PADDING_CHARS = 160
/**
 * Hexadecimal digits of no pattern: a row that compresses to nothing would make the store, and what
 * is mapped of it, too small.
 */
const NOISE = noise(1 << 16)

export interface Scene {
  readonly topology: Topology
  readonly input: Topic<z.infer<typeof Touch>>
  readonly outputs: readonly string[]
}

export function sceneNamed(name: string): Scene {
  const input = topic(`${name}-in`, Touch, (value) => value.id)
  const output = topic(`${name}-out`, Touch, (value) => value.id)
  const processor = defineProcessor({
    name: 'touching',
    reads: { touch: input },
    emits: { out: output },
    state: { store: STORE, schema: Touched },
    on: {
      touch: (touch, scope) => {
        const count = (scope.state?.count ?? 0) + 1
        scope.put({ count, pad: padding(touch.n) })
        scope.emit('out', touch)
      },
    },
  })
  return { topology: defineTopology(name, [processor]), input, outputs: [output.name] }
}

export async function provision(log: LogClient, scene: Scene, partitions: number): Promise<void> {
  const spec = (name: string, policy: string) => ({
    name,
    partitions,
    replicas: 1,
    config: { 'cleanup.policy': policy },
  })
  const { input, outputs, topology } = scene
  await log.admin.ensureTopics([
    ...[input.name, `${input.name}.deadletter`, ...outputs].map((name) => spec(name, 'delete')),
    ...changelogsOf(topology).map((name) => spec(name, 'compact')),
  ])
}

const keyOf = (index: number): string => `key-${String(index).padStart(12, '0')}`

const ROWS_A_BATCH = 10_000

/**
 * The stores as a task leaves them, one for each partition; their checkpoint is the beginning of an
 * empty changelog.
 */
export async function fillStores(
  directory: string,
  scene: Scene,
  keys: number,
  partitions: number,
): Promise<void> {
  const factory = levelStores(directory, sleep)
  const open = (partition: number) => factory.open(`${scene.topology.name}.${partition}`, () => {})
  const stores = await Promise.all(Array.from({ length: partitions }, (_, partition) => open(partition)))
  const rows = stores.map((): RowChange[] => [])
  for (let index = 0; index < keys; index += 1) {
    const key = keyOf(index)
    const encoded = encodeRow({ state: { count: 0, pad: padding(index) }, timers: {}, replayed: false })
    const batch = rows[partitionOf(key, partitions)]
    batch?.push({ store: STORE, key, encoded, armed: [], disarmed: [] })
    if (batch?.length === ROWS_A_BATCH) await commit(stores, rows)
  }
  await commit(stores, rows)
  for (const store of stores) await store.close()
}

async function commit(stores: readonly Store[], rows: RowChange[][]): Promise<void> {
  for (const [partition, store] of stores.entries()) {
    await store.commit(rows[partition] ?? [], { changelogs: {}, atMs: Date.now() })
    rows[partition] = []
  }
}

const RECORDS_A_WRITE = 3000

export async function fillBacklog(
  log: LogClient,
  scene: Scene,
  counts: { readonly keys: number; readonly backlog: number; readonly partitions: number },
): Promise<void> {
  const writer = log.writer()
  const random = dice()
  for (let from = 0; from < counts.backlog; from += RECORDS_A_WRITE) {
    const length = Math.min(RECORDS_A_WRITE, counts.backlog - from)
    await writer.write(
      Array.from({ length }, (_, n) => touch(scene, from + n, random() * counts.keys, counts)),
    )
  }
  await writer.close()
}

function touch(
  scene: Scene,
  n: number,
  at: number,
  { partitions }: { readonly partitions: number },
): OutRecord {
  const id = keyOf(Math.floor(at))
  const value = encode({
    schemaVersion: '1.0',
    eventId: '71e6b2de-c54b-5149-bc4d-1925e4067659',
    occurredAt: '2026-04-18T10:23:40.000Z',
    id,
    n,
    pad: RECORD_PADDING,
  })
  const partition = partitionOf(id, partitions)
  return { topic: scene.input.name, partition, key: id, value, timestamp: Date.now() }
}

function noise(chars: number): string {
  const random = dice()
  return Array.from({ length: chars }, () => Math.floor(random() * 16).toString(16)).join('')
}

/** A stretch of the noise; strides of a prime do not repeat within a block of the store. */
function padding(index: number): string {
  const at = (index * 40_503) % (NOISE.length - ROW_PADDING_CHARS)
  return NOISE.slice(at, at + ROW_PADDING_CHARS)
}

/** Mulberry32: the same keys in every run. */
function dice(): () => number {
  let state = 1
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
