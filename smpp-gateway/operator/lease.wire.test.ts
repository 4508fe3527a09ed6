import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { hopTo, type UrlHop } from '../../dev/stack/proxy/hop.ts'
import { sleep } from '../../streams/platform/backoff.ts'
import { silentLogger } from '../../streams/platform/logger.ts'
import { connectRedis, type WatchedState } from '../redis.ts'
import { until } from '../testing/invented.suite.ts'
import { envOf } from '../testing/rig.suite.ts'
import { holdLease, type Lease, type LeaseWait } from './lease.ts'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const TTL_MS = 3_000
const elapsed = (): number => performance.now()

function connect(url = envOf('REDIS_URL')): WatchedState {
  const shared = connectRedis({ url, now: elapsed, logger: silentLogger })
  closing.push(() => shared.close())
  return shared
}

async function open(url?: string): Promise<WatchedState> {
  const shared = connect(url)
  await until(() => shared.isUp)
  return shared
}

interface Candidate {
  readonly shared: WatchedState
  readonly waits: LeaseWait[]
  readonly lease: () => Lease | undefined
}

/** One process that wants the lease, for as long as the test lasts. */
function candidate(shared: WatchedState, operatorId: string, renewMs = 100): Candidate {
  const over = new AbortController()
  const waits: LeaseWait[] = []
  let lease: Lease | undefined
  const onWait = (wait: LeaseWait): void => void waits.push(wait)
  const options = { operatorId, shared, ttlMs: TTL_MS, renewMs, sleep, elapsed, onWait }
  const taking = holdLease(options, over.signal).then((taken) => {
    lease = taken
  })
  closing.push(async () => {
    over.abort()
    await taking
    await lease?.release()
  })
  return { shared, waits, lease: () => lease }
}

async function behindHop(): Promise<{ hop: UrlHop; shared: WatchedState }> {
  const hop = await hopTo(envOf('REDIS_URL'))
  closing.push(() => hop.close())
  return { hop, shared: await open(hop.url) }
}

const keyOf = (operatorId: string): string => `smpp:lease:${operatorId}`
const holds = ({ lease }: Candidate): boolean => lease() !== undefined && lease()?.lost.aborted === false

describe('CON-5.7 lease', () => {
  it('has one holder; a standby outlives its time to live while it is held, and takes over at once when it is released', async () => {
    const operatorId = randomUUID()
    const first = candidate(await open(), operatorId)
    await until(() => holds(first))
    const second = candidate(await open(), operatorId)
    await until(() => second.waits.length > 0)
    await sleep(TTL_MS + 500)
    expect([holds(first), second.lease(), second.waits]).toEqual([true, undefined, ['holder']])
    await first.lease()?.release()
    await until(() => holds(second))
    expect(second.lease()?.isConfirmed).toBe(true)
  }, 20_000)

  it('is lost as soon as another token is read', async () => {
    const shared = await open()
    const operatorId = randomUUID()
    const held = candidate(shared, operatorId)
    await until(() => holds(held))
    await shared.attempt((redis) => redis.set(keyOf(operatorId), 'another', 'PX', 5_000))
    await until(() => held.lease()?.lost.aborted === true, 2_000)
    await held.lease()?.release()
    expect(await shared.attempt((redis) => redis.get(keyOf(operatorId)))).toBe('another')
  })
})

const ignored = (): void => undefined

/** Its clock goes on by `ms`, and nothing in it has run meanwhile. */
async function frozenFor(ms: number) {
  const operatorId = randomUUID()
  let stoodStillMs = 0
  const options = {
    operatorId,
    shared: await open(),
    ttlMs: TTL_MS,
    renewMs: TTL_MS / 10,
    sleep,
    onWait: ignored,
  }
  const clock = { elapsed: () => performance.now() + stoodStillMs }
  const lease = await holdLease({ ...options, ...clock }, new AbortController().signal)
  closing.push(() => lease?.release())
  expect(lease?.stands()).toBe(true)
  stoodStillMs = ms
  return lease
}

describe('[B3] a holder that stood still', () => {
  it('for a TTL knows by its own clock that the lease is lost, before Redis says anything', async () => {
    const lease = await frozenFor(TTL_MS)
    expect([lease?.stands(), lease?.lost.aborted]).toEqual([false, true])
  })

  it('for half of one goes on, and its renewals count anew', async () => {
    const lease = await frozenFor(TTL_MS / 2)
    await sleep(TTL_MS)
    expect([lease?.stands(), lease?.lost.aborted]).toEqual([true, false])
  })

  it('is not what a holder without Redis is: that one goes on asking [B4]', async () => {
    const operatorId = randomUUID()
    const { hop, shared } = await behindHop()
    const holder = candidate(shared, operatorId)
    await until(() => holds(holder))
    await hop.cut()
    await sleep(TTL_MS + 500)
    expect(holder.lease()?.stands()).toBe(true)
  }, 20_000)
})

/** A holder and a standby, each with a way to Redis of its own, and a third that looks on. */
async function pair() {
  const operatorId = randomUUID()
  const direct = await open()
  const [one, two] = [await behindHop(), await behindHop()]
  const holder = candidate(one.shared, operatorId)
  await until(() => holds(holder))
  const standby = candidate(two.shared, operatorId)
  await until(() => standby.waits.includes('holder'))
  /** What both find when Redis is back: nothing. */
  const empty = (): Promise<unknown> => direct.attempt((redis) => redis.del(keyOf(operatorId)))
  const stored = () => direct.attempt((redis) => redis.get(keyOf(operatorId)))
  return { operatorId, direct, holder, standby, holderHop: one.hop, standbyHop: two.hop, empty, stored }
}

describe('[B4] the lease when Redis was away', () => {
  it('fault G8: is asserted anew by its holder, also when the standby sees an emptied Redis first', async () => {
    const { holder, standby, holderHop, standbyHop, empty, stored } = await pair()
    await Promise.all([holderHop.cut(), standbyHop.cut()])
    await until(() => standby.waits.includes('redis'))
    await empty()
    await standbyHop.mend()
    await until(() => standby.waits.includes('return'))
    await holderHop.mend()
    await until(async () => typeof (await stored()) === 'string', TTL_MS)
    await until(() => standby.waits.at(-1) === 'holder')
    await sleep(TTL_MS)
    expect([holds(holder), standby.lease()]).toEqual([true, undefined])
  }, 30_000)

  it('is taken by the standby one TTL after the return of Redis when its holder does not come back', async () => {
    const { standby, holderHop, standbyHop, empty } = await pair()
    await Promise.all([holderHop.cut(), standbyHop.cut()])
    await until(() => standby.waits.includes('redis'))
    await empty()
    const mendedAt = elapsed()
    await standbyHop.mend()
    await until(() => holds(standby), 4 * TTL_MS)
    expect(elapsed() - mendedAt).toBeGreaterThanOrEqual(TTL_MS)
  }, 30_000)

  it('stays where it is when Redis hangs longer than a TTL', async () => {
    const { holder, standby, holderHop, standbyHop } = await pair()
    holderHop.freeze()
    standbyHop.freeze()
    await sleep(TTL_MS + 1_000)
    await standbyHop.mend()
    await until(() => standby.waits.includes('return'))
    // Several looks of the standby at a lease that has run out.
    await sleep(1_000)
    await holderHop.mend()
    await until(() => standby.waits.at(-1) === 'holder', 10_000)
    expect([holds(holder), standby.lease()]).toEqual([true, undefined])
  }, 30_000)

  it('survives that its key is deleted, although the standby looks more often than the holder renews', async () => {
    const operatorId = randomUUID()
    const holder = candidate(await open(), operatorId, 1_000)
    await until(() => holds(holder))
    const standby = candidate(await open(), operatorId, 20)
    await until(() => standby.waits.includes('holder'))
    await standby.shared.attempt((redis) => redis.del(keyOf(operatorId)))
    await until(() => standby.waits.includes('return'))
    await until(() => standby.waits.at(-1) === 'holder')
    expect([holds(holder), standby.lease()]).toEqual([true, undefined])
  })

  it('fault G15: is assumed one TTL after a start without Redis, and yields to a holder that Redis knows', async () => {
    const operatorId = randomUUID()
    const { hop, shared } = await behindHop()
    await hop.cut()
    await until(() => !shared.isUp)
    const startedAt = elapsed()
    const lonely = candidate(shared, operatorId)
    await until(() => holds(lonely), 4 * TTL_MS)
    expect(elapsed() - startedAt).toBeGreaterThanOrEqual(TTL_MS)
    expect([lonely.lease()?.isConfirmed, lonely.waits]).toEqual([false, ['redis']])
    const direct = await open()
    await direct.attempt((redis) => redis.set(keyOf(operatorId), 'another', 'PX', 60_000))
    await hop.mend()
    await until(() => lonely.lease()?.lost.aborted === true)
  }, 30_000)

  it('is not assumed by a standby that knows of a holder: only Redis can tell that one is gone', async () => {
    const { standby, standbyHop } = await pair()
    await standbyHop.cut()
    await sleep(2 * TTL_MS)
    expect([standby.lease(), standby.waits.at(-1)]).toEqual([undefined, 'redis'])
    await standbyHop.mend()
    await until(() => standby.waits.at(-1) === 'holder')
  }, 30_000)
})
