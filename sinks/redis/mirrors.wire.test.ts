import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encode } from '../../streams/contracts/decode.ts'
import { lookupExample, requestExample } from '../../streams/contracts/examples.ts'
import { outboundRequests } from '../../streams/contracts/outbound.ts'
import { receiptLookups } from '../../streams/contracts/receipts.ts'
import type { Topic } from '../../streams/contracts/topic.ts'
import { addressFromEnv, silentHooks } from '../testing/scene.suite.ts'
import { openRedis, redisSink } from './mirrors.ts'

const batchOf = <V>(topic: Topic<V>, values: readonly V[]) => ({
  topic: topic.name,
  partition: 0,
  next: values.length,
  records: values.map((value, offset) => ({
    topic: topic.name,
    partition: 0,
    offset,
    timestamp: 0,
    key: null,
    value: Buffer.from(encode(value)),
    headers: {},
  })),
})

const neverSkipped = (keys: number, error: unknown) => {
  throw new Error(`${keys} keys skipped`, { cause: error })
}

describe('key mirrors', () => {
  let redis: Redis
  beforeAll(async () => {
    redis = openRedis(addressFromEnv('REDIS_URL'), () => {})
    await new Promise((resolve) => redis.once('ready', resolve))
  })
  afterAll(() => redis.disconnect())

  it('DAT-8 DLR-015.2 a seen message has its key for 48 h, a seen fingerprint for 24 h', async () => {
    const messageIds = [randomUUID(), randomUUID()]
    const fingerprint = randomUUID()
    const { handle } = redisSink(redis, silentHooks, neverSkipped)
    await handle(
      batchOf(
        outboundRequests,
        messageIds.map((messageId) => ({ ...requestExample, messageId })),
      ),
    )
    await handle(
      batchOf(receiptLookups, [{ ...lookupExample, receipt: { ...lookupExample.receipt, fingerprint } }]),
    )
    const keys = [...messageIds.map((id) => `orch:idem:${id}`), `dlr:fp:${fingerprint}`]
    const lifetimes = await Promise.all(keys.map((key) => redis.ttl(key)))
    expect(lifetimes.map((seconds) => Math.round(seconds / 60) * 60)).toEqual([172_800, 172_800, 86_400])
    await redis.del(...keys)
  })

  it('a second processing does not prolong a key', async () => {
    const messageId = randomUUID()
    const key = `orch:idem:${messageId}`
    await redis.set(key, '1', 'EX', 1_000)
    await redisSink(redis, silentHooks, neverSkipped).handle(
      batchOf(outboundRequests, [{ ...requestExample, messageId }]),
    )
    expect(await redis.ttl(key)).toBeLessThanOrEqual(1_000)
    await redis.del(key)
  })
})

describe('while Redis is away', () => {
  it('[O12] [F3] keys are skipped and counted, and the batch counts as done', async () => {
    // Port 1 is reserved and nobody listens there.
    const redis = openRedis('redis://127.0.0.1:1', () => {})
    const skipped: number[] = []
    const { handle } = redisSink(redis, silentHooks, (keys) => void skipped.push(keys))
    await handle(batchOf(outboundRequests, [requestExample, requestExample]))
    expect(skipped).toEqual([2])
    redis.disconnect()
  })
})
