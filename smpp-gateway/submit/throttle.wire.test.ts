import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../streams/platform/logger.ts'
import { connectRedis, type SharedState } from '../redis.ts'
import { until } from '../testing/invented.suite.ts'
import { envOf } from '../testing/rig.suite.ts'
import { createThrottle, type Throttle } from './throttle.ts'

const opened: SharedState[] = []
afterEach(() => {
  for (const shared of opened.splice(0)) shared.close()
})

async function open(url = envOf('REDIS_URL')): Promise<SharedState> {
  const shared = connectRedis({ url, now: () => performance.now(), logger: silentLogger })
  opened.push(shared)
  await until(() => shared.isUp)
  return shared
}

const throttleOf = (shared: SharedState, operatorId: string, fallbacks: boolean[] = []): Throttle =>
  createThrottle({
    operatorId,
    shared,
    now: () => performance.now(),
    onFallback: (active) => fallbacks.push(active),
  })

const takeAll = async (throttles: readonly Throttle[], count: number, limit: number): Promise<number> => {
  const wanted: Promise<boolean>[] = []
  for (let at = 0; at < count; at++) {
    for (const throttle of throttles.slice(at % throttles.length).slice(0, 1))
      wanted.push(throttle.take(limit))
  }
  const granted = await Promise.all(wanted)
  return granted.filter(Boolean).length
}

describe('CON-5.2 throughput limit on Redis time', () => {
  it('110 PDUs at once at limit 100: exactly 10 are deferred', async () => {
    const throttle = throttleOf(await open(), randomUUID())
    expect(await takeAll([throttle], 110, 100)).toBe(100)
    expect(throttle.used).toBe(100)
  })

  it('two processes share one window, and together they never pass it', async () => {
    const operatorId = randomUUID()
    const throttles = [throttleOf(await open(), operatorId), throttleOf(await open(), operatorId)]
    expect(await takeAll(throttles, 110, 100)).toBe(100)
  })

  it('a grant counts for 1000 ms of Redis time and not longer', async () => {
    const shared = await open()
    const operatorId = randomUUID()
    const throttle = throttleOf(shared, operatorId)
    // Placed by hand so that the test depends on the scores and not on how fast it runs.
    const place = (ageMicros: number): Promise<unknown> =>
      shared.attempt((redis) =>
        redis.eval(
          `local t = redis.call('TIME') return redis.call('ZADD', KEYS[1], t[1] * 1000000 + t[2] - ARGV[1], ARGV[2])`,
          1,
          `smpp:tps:${operatorId}`,
          ageMicros,
          randomUUID(),
        ),
      )
    await place(1_000_001)
    await place(2_000_000)
    await place(700_000)
    expect(await takeAll([throttle], 3, 3)).toBe(2)
  })

  it('operators do not share a window', async () => {
    const shared = await open()
    expect(await takeAll([throttleOf(shared, randomUUID())], 5, 5)).toBe(5)
    expect(await takeAll([throttleOf(shared, randomUUID())], 5, 5)).toBe(5)
  })

  it('CON-2.3 without Redis each process keeps the whole limit on its own, and says so', async () => {
    const shared = connectRedis({
      url: 'redis://127.0.0.1:1',
      now: () => performance.now(),
      logger: silentLogger,
    })
    opened.push(shared)
    const fallbacks: boolean[] = []
    expect(await takeAll([throttleOf(shared, randomUUID(), fallbacks)], 110, 100)).toBe(100)
    expect(fallbacks).toEqual([true])
  })
})
