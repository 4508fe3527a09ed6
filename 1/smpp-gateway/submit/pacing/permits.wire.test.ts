import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { connectRedis, type SharedState } from '../../redis.ts'
import { until } from '../../testing/invented.suite.ts'
import { envOf } from '../../testing/rig.suite.ts'
import { sharedPermits, type Permits } from './permits.ts'
import { Throttle } from './throttle.ts'

const opened: SharedState[] = []
afterEach(() => {
  for (const shared of opened.splice(0)) shared.close()
})

const elapsed = (): number => performance.now()

async function open(): Promise<SharedState> {
  const shared = connectRedis({ url: envOf('REDIS_URL'), now: elapsed, logger: silentLogger })
  opened.push(shared)
  await until(() => shared.isUp)
  return shared
}

const never = new AbortController().signal
setMaxListeners(0, never)

/** Puts a permit into the schedule by hand: `inMs` from now, of Redis time. */
const place = (shared: SharedState, operatorId: string, inMs: number): Promise<unknown> =>
  shared.attempt((redis) =>
    redis.eval(
      `local t = redis.call('TIME')
       return redis.call('ZADD', KEYS[1], string.format('%.0f', t[1] * 1000000 + t[2] + ARGV[1]), ARGV[2])`,
      1,
      `smpp:tps:${operatorId}`,
      inMs * 1_000,
      randomUUID(),
    ),
  )

const ask = async (
  shared: SharedState,
  operatorId: string,
  limit: number,
  wanted: number,
  spacingMs = 1_000 / limit,
): Promise<Permits> => {
  const permits = await sharedPermits(operatorId, shared).ask(limit, wanted, spacingMs)
  if (permits === undefined) throw new Error('Redis did not answer')
  return permits
}

describe('CON-5.2 the schedule that all processes share', () => {
  it('gives permits one spacing apart, no further ahead than the horizon, and to one caller each', async () => {
    const operatorId = randomUUID()
    const [one, other] = [await open(), await open()]
    await ask(other, randomUUID(), 100, 1)
    const startedAt = elapsed()
    expect(await ask(one, operatorId, 100, 50)).toMatchObject({ count: 6, inMs: 0 })
    const { count } = await ask(other, operatorId, 100, 50)
    // The calls themselves take time, in which more permits come within the horizon.
    const passedMs = elapsed() - startedAt
    expect(6 + count).toBeLessThanOrEqual((50 + passedMs) / 10 + 1)
  })

  it('[TP4] counts what was given in the last 1000 ms, also with another limit before; what is older does not', async () => {
    const shared = await open()
    const operatorId = randomUUID()
    for (const inMs of [-1_001, -400, -200]) await place(shared, operatorId, inMs)
    expect(await ask(shared, operatorId, 3, 1, 1)).toMatchObject({ count: 1 })
    expect(await ask(shared, operatorId, 3, 1, 1)).toMatchObject({ count: 0 })
    expect((await ask(shared, operatorId, 3, 1, 1)).inMs).toBeLessThanOrEqual(1_000)
  })

  it('[TP5] a clock that was set back by an hour delays nobody', async () => {
    const shared = await open()
    const operatorId = randomUUID()
    for (let count = 0; count < 10; count += 1) await place(shared, operatorId, 3_600_000 + count)
    expect(await ask(shared, operatorId, 10, 1)).toMatchObject({ count: 1, inMs: 0 })
  })

  it('[TP5] a clock that was set back by a moment does not go back', async () => {
    const shared = await open()
    const operatorId = randomUUID()
    await place(shared, operatorId, 30)
    const { count, inMs } = await ask(shared, operatorId, 100, 1)
    expect(count).toBe(1)
    expect(inMs).toBeGreaterThan(10)
  })

  it('a rate below one a second is kept: the newest permit counts for longer than a second', async () => {
    const shared = await open()
    const operatorId = randomUUID()
    await place(shared, operatorId, -1_500)
    for (let times = 0; times < 3; times += 1) {
      const { count, inMs } = await ask(shared, operatorId, 1, 1, 20_000)
      expect(count).toBe(0)
      expect(inMs).toBeGreaterThan(10_000)
    }
    expect(await ask(shared, operatorId, 1, 1, 1_000)).toMatchObject({ count: 1 })
    const life = await shared.attempt((redis) => redis.pttl(`smpp:tps:${operatorId}`))
    expect(life).toBeGreaterThan(2_000)
  })

  it('operators do not share a schedule', async () => {
    const shared = await open()
    for (const operatorId of [randomUUID(), randomUUID()])
      expect(await ask(shared, operatorId, 1, 1)).toMatchObject({ count: 1, inMs: 0 })
  })

  it('two processes that send as fast as they may stay within the limit together', async () => {
    const operatorId = randomUUID()
    const times: number[] = []
    const throttleOf = async (): Promise<Throttle> =>
      new Throttle({
        permits: sharedPermits(operatorId, await open()),
        now: elapsed,
        onFallback: () => {},
        onDelayed: () => {},
      })
    const throttles = [await throttleOf(), await throttleOf()]
    await Promise.all(
      Array.from({ length: 120 }, async (_, at) => {
        const throttle = throttles[at % 2] ?? throttles[0]
        await throttle?.take(50, never)
        times.push(elapsed())
      }),
    )
    const worst = Math.max(
      ...times.map((from) => times.filter((at) => at >= from && at < from + 1_000).length),
    )
    // Each process wakes up when it can: a permit may be used a little late, and the next in time.
    expect(worst).toBeLessThanOrEqual(50 + 5)
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(2_000)
  })
})
