import { describe, expect, it } from 'vitest'
import { sleep } from '../../../platform/backoff.ts'
import { LogError, partitionKey } from '../../port.ts'
import type { LogRecord, TopicPartition } from '../../port.ts'
import { until } from '../../testing/scene.suite.ts'
import { Cluster } from '../cluster/cluster.ts'
import { KafkaReader } from '../reader.ts'
import { batchOf, scriptedCluster, scriptedSettings } from '../testing/scripted-cluster.suite.ts'
import { closedAfterEach } from '../wire/testing/scripted-broker.suite.ts'
import type { ScriptedCluster, ScriptedPartition } from '../testing/scripted-cluster.suite.ts'
import { OwnedPartitions } from './fetched.ts'
import { Fetcher } from './fetcher.ts'

const opened = closedAfterEach()

const at = (partition: number): TopicPartition => ({ topic: 't', partition })

interface Scene {
  readonly script: ScriptedCluster
  readonly cluster: Cluster
  readonly fetcher: Fetcher
  readonly owned: OwnedPartitions
  readonly records: LogRecord[]
  readonly stopped: [number, string][]
  readonly failures: unknown[]
  readonly troubles: string[]
  /** Pauses that were asked for. */
  readonly pauses: number[]
}

/** Fetches all partitions from 0, with pauses that are noted and last a millisecond. */
async function fetching(partitions: readonly ScriptedPartition[]): Promise<Scene> {
  const script = await scriptedCluster(
    new Map(partitions.map((one, partition) => [partitionKey(at(partition)), one])),
  )
  const noted = { records: [], stopped: [], failures: [], troubles: [], pauses: [] } as Pick<
    Scene,
    'records' | 'stopped' | 'failures' | 'troubles' | 'pauses'
  >
  const clock = {
    now: Date.now,
    random: () => 0.5,
    sleep: (ms: number, signal?: AbortSignal) => {
      noted.pauses.push(ms)
      return sleep(1, signal)
    },
  }
  const cluster = new Cluster(scriptedSettings(script), clock)
  const owned = new OwnedPartitions()
  owned.assign(partitions.map((_, partition) => at(partition)))
  const fetcher = new Fetcher({
    cluster,
    lane: 'fetch',
    owned,
    deliver: (_, fetched) => noted.records.push(...fetched.records),
    onGap: () => undefined,
    onStopped: (one, error) => noted.stopped.push([one.at.partition, error.message]),
    onFailed: (error) => noted.failures.push(error),
    onTrouble: (error) => noted.troubles.push(String(error)),
  })
  for (const one of [script.broker, cluster, { close: () => fetcher.stop() }]) opened(one)
  for (const one of owned.all()) {
    one.seek(0)
    one.isPaused = false
  }
  fetcher.kick()
  return { script, cluster, fetcher, owned, ...noted }
}

/** Batches of one record each, with values that name their offset. */
type Fetched = ReturnType<ScriptedPartition['fetch']>

const growing = (
  from: ((offset: number) => Fetched | undefined) | undefined,
  end: () => number,
): ScriptedPartition => ({
  epoch: 0,
  fetch: (offset) => from?.(offset) ?? (offset < end() ? { bytes: batchOf(offset, `${offset}`) } : {}),
})

function damaged(offset: number): { bytes: Buffer } {
  const bytes = batchOf(offset, 'x')
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  return { bytes }
}

function foreign(offset: number): { bytes: Buffer } {
  const bytes = batchOf(offset, 'x')
  bytes[16] = 1
  return { bytes }
}

const offsetsOf = ({ records }: Scene, partition: number): readonly number[] =>
  records.filter((one) => one.partition === partition).map(({ offset }) => offset)

describe('a partition that cannot be read', { timeout: 60_000 }, () => {
  it.each([
    ['fails its checksum', damaged, 't:0: the batch at 2 fails its checksum'],
    ['is in another format', foreign, 't:0: the batch at 2 is in a message format before v2'],
    ['may not be read', () => ({ errorCode: 29 }), 'Fetch: TOPIC_AUTHORIZATION_FAILED (29) t:0'],
    ['is corrupt at its leader', () => ({ errorCode: 2 }), 'Fetch: CORRUPT_MESSAGE (2) t:0'],
  ])('fault R4: because it %s stops alone, and the other goes on', async (_, spoiled, sentence) => {
    let end = 3
    const bad = growing(
      (offset) => (offset === 2 ? spoiled(offset) : undefined),
      () => 9,
    )
    const scene = await fetching([bad, growing(undefined, () => end)])
    await until('the stop', () => scene.stopped.length === 1)
    end = 30
    await until('the other one', () => offsetsOf(scene, 1).length === 30)
    expect(scene.stopped).toEqual([[0, sentence]])
    expect(offsetsOf(scene, 0)).toEqual([0, 1])
    expect(scene.failures).toEqual([])
  })

  it('fault R4: goes on when the batch comes whole the next time', async () => {
    let times = 0
    const once = growing(
      (offset) => (offset === 1 && (times += 1) < 3 ? damaged(offset) : undefined),
      () => 4,
    )
    const scene = await fetching([once])
    await until('all', () => offsetsOf(scene, 0).length === 4)
    expect(scene.stopped).toEqual([])
    expect(scene.troubles).toHaveLength(2)
  })

  it('fault R4: is asked for again once its owner has sought past it', async () => {
    const bad = growing(
      (offset) => (offset === 2 ? foreign(offset) : undefined),
      () => 5,
    )
    const scene = await fetching([bad])
    await until('the stop', () => scene.stopped.length === 1)
    scene.owned.get(at(0))?.seek(3)
    scene.fetcher.kick()
    await until('the rest', () => offsetsOf(scene, 0).length === 4)
    expect(offsetsOf(scene, 0)).toEqual([0, 1, 3, 4])
  })
})

describe('a partition without a leader', { timeout: 60_000 }, () => {
  it('fault R10: is looked for with growing pauses, and holds up no other', async () => {
    const homeless: ScriptedPartition = { epoch: null, fetch: () => ({}) }
    const scene = await fetching([homeless, growing(undefined, () => 50)])
    await until('the other one', () => offsetsOf(scene, 1).length === 50)
    await until('ten looks', () => scene.pauses.length >= 10)
    const looks = scene.script.broker.seen.filter(({ apiKey }) => apiKey === 3).length
    // One look for each pause, and the one that is under way.
    expect(looks).toBeLessThanOrEqual(scene.pauses.length + 2)
    expect(scene.pauses.slice(0, 9)).toEqual([20, 40, 80, 160, 320, 640, 1_280, 2_000, 2_000])
    expect(scene.troubles[0]).toContain('LEADER_NOT_AVAILABLE (5) t:0')
    homeless.epoch = 3
    homeless.fetch = (offset) => (offset === 0 ? { bytes: batchOf(0, 'late', 3) } : {})
    await until('the late one', () => offsetsOf(scene, 0).length === 1)
  })

  it('fault R10: that answers with an error is asked for with growing pauses', async () => {
    const away: ScriptedPartition = { epoch: 0, fetch: () => ({ errorCode: 56 }) }
    const scene = await fetching([away, growing(undefined, () => 10)])
    await until('ten answers', () => (scene.script.fetched.get('t:0')?.length ?? 0) >= 10)
    expect(scene.pauses.slice(0, 9)).toEqual([20, 40, 80, 160, 320, 640, 1_280, 2_000, 2_000])
    await until('the other one', () => offsetsOf(scene, 1).length === 10)
    expect(scene.stopped).toEqual([])
  })
})

const sentence = (error: unknown) => (error instanceof LogError ? `${error.code} ${error.message}` : '')

/** A log of five records of epoch 1, of which the leader of epoch 2 has so many. */
function elected(kept: number): { partition: ScriptedPartition; elect: () => void } {
  const partition: ScriptedPartition = {
    epoch: 1,
    fetch: (offset) => (offset < 5 ? { bytes: batchOf(offset, `${offset}`, 1) } : {}),
  }
  const elect = (): void => {
    partition.epoch = 2
    // It has grown again, with other records: the offsets alone show nothing.
    partition.fetch = (offset) => (offset < 9 ? { bytes: batchOf(offset, `${offset}`, 2) } : {})
    partition.endOf = () => kept
  }
  return { partition, elect }
}

describe('a log that was cut back', { timeout: 60_000 }, () => {
  it('fault R8: is not read on where other records stand by now', async () => {
    const { partition, elect } = elected(3)
    const scene = await fetching([partition])
    await until('the records', () => offsetsOf(scene, 0).length === 5)
    elect()
    await until('the stop', () => scene.stopped.length === 1)
    expect(scene.stopped).toEqual([[0, 't:0 was cut back to 3, and had been read up to 5']])
    expect(offsetsOf(scene, 0)).toEqual([0, 1, 2, 3, 4])
    expect(scene.script.epochQuestions).toEqual([{ ...at(0), leaderEpoch: 2, epoch: 1 }])
  })

  it('fault R8: is read on when the new leader has everything, and asked once', async () => {
    const { partition, elect } = elected(5)
    const scene = await fetching([partition])
    await until('the records', () => offsetsOf(scene, 0).length === 5)
    elect()
    await until('the rest', () => offsetsOf(scene, 0).length === 9)
    expect(scene.stopped).toEqual([])
    expect(scene.script.epochQuestions).toHaveLength(1)
    expect(scene.script.fetched.get('t:0')?.at(-1)).toEqual({ offset: 9, epoch: 2 })
  })

  it.each([
    [3, 'fatal t:0 was cut back to 3, and had been read up to 5'],
    [5, 'read 9'],
  ])('fault R8: to %i, is noticed by a reader too', async (kept, expected) => {
    const { partition, elect } = elected(kept)
    const { cluster } = await fetching([partition])
    const reader = new KafkaReader(cluster, 'reader')
    const limits = { bytesMax: 1_000_000, waitMs: 1 }
    let next = 0
    while (next < 5) ({ next } = await reader.read(at(0), next, limits))
    elect()
    const outcome = async (): Promise<string> => {
      while (next < 9) ({ next } = await reader.read(at(0), next, limits))
      return `read ${next}`
    }
    expect(await outcome().catch(sentence)).toBe(expected)
  })
})
