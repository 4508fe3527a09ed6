import { describe, expect, it } from 'vitest'
import { memoryLog } from '../../log/memory.ts'
import { LogError, partitionKey, type LogClient } from '../../log/port.ts'
import { sleep, type Sleep } from '../../platform/backoff.ts'
import { consume, type ConsumeOptions } from '../consume.ts'
import { CURSORS_EVERY_MS, CURSORS_RECORDS_MAX } from './paced-cursors.ts'
import { until } from '../testing/counting.suite.ts'

const TOPIC = 'plain'
const GROUP = 'readers'
const at = (partition: number) => ({ topic: TOPIC, partition })

/** A reader of two partitions whose interval ends when the test says so. */
async function reader(extra: Partial<ConsumeOptions> = {}) {
  const log = memoryLog()
  await log.admin.ensureTopics([{ name: TOPIC, partitions: 2, replicas: 1, config: {} }])
  const ends = new Set<() => void>()
  const paced: Sleep = (ms, signal) =>
    ms !== CURSORS_EVERY_MS
      ? sleep(ms, signal)
      : new Promise((resolve) => {
          ends.add(resolve)
          signal?.addEventListener('abort', () => resolve())
        })
  let commits = 0
  let handled = 0
  const consumption = await consume({
    log: counting(log.connect(), () => (commits += 1)),
    group: GROUP,
    topics: [TOPIC],
    recordsMax: 1,
    sleep: paced,
    random: () => 0.5,
    onFailed: () => {},
    ...extra,
    handle: async (batch) => {
      await extra.handle?.(batch)
      handled += batch.records.length
    },
  })
  const writer = log.writer()
  const cursorOf = async (partition: number) =>
    (await log.admin.committed(GROUP, [at(partition)])).get(partitionKey(at(partition)))?.next
  return {
    consumption,
    write: (partition: number, count: number) =>
      writer.write(
        Array.from({ length: count }, () => ({ ...at(partition), key: 'k', value: 'v', timestamp: 1 })),
      ),
    interval: () => {
      for (const end of ends) end()
      ends.clear()
    },
    untilDone: (records: number) => until(() => handled === records, `${records} records`),
    untilAt: (next: number, partition = 0) =>
      until(async () => (await cursorOf(partition)) === next, `the cursor at ${next}`),
    cursorOf,
    commits: () => commits,
  }
}

function counting(log: LogClient, onCommit: () => void): LogClient {
  return {
    ...log,
    consumer: (options) => {
      const consumer = log.consumer(options)
      const commit = consumer.commit.bind(consumer)
      consumer.commit = (cursors) => {
        onCommit()
        return commit(cursors)
      }
      return consumer
    },
  }
}

describe('the cursors of a consumption', () => {
  it('move at once after a quiet time, and then together at an interval', async () => {
    const scene = await reader()
    await scene.write(0, 1)
    await scene.untilAt(1)
    await scene.write(0, 20)
    await scene.write(1, 10)
    await scene.untilDone(31)
    expect([await scene.cursorOf(0), await scene.cursorOf(1)]).toEqual([1, undefined])
    scene.interval()
    await scene.untilAt(21)
    await scene.untilAt(10, 1)
    expect(scene.commits()).toBe(2)
    await scene.consumption.close()
  })

  it('do not wait for the interval when many records are done', async () => {
    const scene = await reader()
    await scene.write(0, 1)
    await scene.untilAt(1)
    await scene.write(0, CURSORS_RECORDS_MAX - 1)
    await scene.untilDone(CURSORS_RECORDS_MAX)
    expect(scene.commits()).toBe(1)
    await scene.write(0, 1)
    await scene.untilAt(CURSORS_RECORDS_MAX + 1)
    expect(scene.commits()).toBe(2)
    await scene.consumption.close()
  })

  it('move behind what is done before the group is left', async () => {
    const scene = await reader()
    await scene.write(0, 1)
    await scene.untilAt(1)
    await scene.write(0, 5)
    await scene.untilDone(6)
    await scene.consumption.close()
    expect(await scene.cursorOf(0)).toBe(6)
  })

  it('never move beyond what is done', async () => {
    let refuses = true
    let attempts = 0
    const handle = async () => {
      if (refuses) throw new Error('not now')
    }
    const onFault = () => void (attempts += 1)
    const scene = await reader({ handle, onFault, sleep: (_, signal) => sleep(1, signal) })
    await scene.write(0, 3)
    await until(() => attempts >= 5, 'five attempts')
    expect(scene.commits()).toBe(0)
    refuses = false
    await scene.untilAt(3)
    await scene.consumption.close()
  })
})

/** Gives what lies below `damaged` of partition 0, and no more. */
function damaged(log: LogClient, from: number, times: number): LogClient {
  let left = times
  return {
    ...log,
    consumer: (options) =>
      log.consumer({
        ...options,
        onRecords: (place, records, next) => {
          if (place.partition !== 0 || next <= from || left === 0)
            return options.onRecords(place, records, next)
          left -= 1
          const whole = records.filter(({ offset }) => offset < from)
          if (whole.length > 0) options.onRecords(place, whole, from)
          options.onStopped?.(place, new LogError('fatal', 'a damaged batch'))
        },
      }),
  }
}

async function damagedReader(times: number) {
  const log = memoryLog()
  await log.admin.ensureTopics([{ name: TOPIC, partitions: 2, replicas: 1, config: {} }])
  const writer = log.writer()
  const write = (partition: number, ...values: readonly string[]) =>
    writer.write(values.map((value) => ({ ...at(partition), key: 'k', value, timestamp: 1 })))
  const seen: string[] = []
  const attempts: number[] = []
  const stopped: number[] = []
  await write(0, 'a', 'b', 'c', 'd')
  const consumption = await consume({
    log: damaged(log.connect(), 2, times),
    group: GROUP,
    topics: [TOPIC],
    recordsMax: 1,
    handle: async ({ records }) => void seen.push(...records.map(({ value }) => String(value))),
    // The interval of the cursors does not end by itself.
    sleep: (ms, signal) => sleep(ms === CURSORS_EVERY_MS ? 3_600_000 : 1, signal),
    random: () => 0.5,
    onFault: (_, __, attempt) => attempts.push(attempt),
    onStopped: ({ partition }) => stopped.push(partition),
    onFailed: () => {},
  })
  return { consumption, write, seen, attempts, stopped }
}

describe('a partition of which the log gives no more', () => {
  it('fault R4: is opened anew behind what is done, and goes on when that helps', async () => {
    const scene = await damagedReader(2)
    await until(() => scene.seen.length === 4, 'all records')
    expect(scene.seen).toEqual(['a', 'b', 'c', 'd'])
    expect(scene.attempts).toEqual([1, 2])
    expect(scene.stopped).toEqual([])
    expect(scene.consumption.failed()).toEqual([])
    await scene.consumption.close()
  })

  it('fault R4: fails alone after three times, loudly, while the others go on', async () => {
    const scene = await damagedReader(1_000)
    await until(() => scene.stopped.length > 0, 'the partition has stopped')
    expect(scene.attempts).toEqual([1, 2, 3])
    expect(scene.consumption.failed()).toEqual([at(0)])
    await scene.write(1, 'x')
    await until(() => scene.seen.includes('x'), 'the other partition')
    expect(scene.seen).toEqual(['a', 'b', 'x'])
    expect(scene.stopped).toEqual([0])
    const standing = scene.consumption.standings().find((one) => one.at.partition === 0)
    expect(standing).toMatchObject({ doing: 'failed', excuse: 'failed' })
    await scene.consumption.close()
  })
})
