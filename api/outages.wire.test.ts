import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { idempotencyHash } from '../streams/domain/message/idempotency.ts'
import { SubmitReply } from './submit/idempotency.ts'
import {
  accountId,
  goodBody,
  startRealApi,
  tenantId,
  type RealApi,
  authorized,
} from './testing/real-api.suite.ts'
import { until } from './testing/until.suite.ts'

let api: RealApi
beforeAll(async () => {
  api = await startRealApi()
})
afterAll(() => api.close())

const Details = z.object({ details: z.record(z.string(), z.string()) })
const isUp = async (name: string) => Details.parse((await api.call('/ready')).json).details[name] === 'up'
const idOf = (json: unknown) => SubmitReply.parse(json).messageId
const correlations = async () => (await api.published()).map(({ headers }) => headers['X-Correlation-ID'])

describe('PLT-5 [F3] ORC-1.11 Redis down', () => {
  test('submits go on, and Postgres remembers the keys', async () => {
    await api.cuts.redis.cut()
    const key = { 'Idempotency-Key': randomUUID() }
    const first = await api.send(goodBody, key)
    const second = await api.send(goodBody, key)
    expect([first.status, second.status]).toEqual([202, 202])
    expect(second.text).toBe(first.text)
    expect((await api.call('/metrics')).text).toMatch(/orch_redis_errors_total\{op="get"\} [1-9]/)
    expect((await api.call('/ready')).status).toBe(200)
    expect(await isUp('redis')).toBe(false)
    await api.cuts.redis.mend()
    await until(() => isUp('redis'))
  })
})

describe('PLT-5 [F2] ORC-1.11 Postgres down', () => {
  test('a submit is 503 with Retry-After and stores nothing; the first one after it is new', async () => {
    const key = { 'Idempotency-Key': randomUUID() }
    await api.cuts.postgres.cut()
    const refused = await api.send(goodBody, key)
    expect(refused).toMatchObject({ status: 503, json: { code: 'DEPENDENCY_UNAVAILABLE' } })
    expect(refused.headers['retry-after']).toBe('5')
    expect((await api.call('/ready')).status).toBe(503)
    expect((await api.call('/health/live')).status).toBe(200)
    await api.cuts.postgres.mend()
    const accepted = await api.send(goodBody, key)
    expect(accepted.status).toBe(202)
    expect(accepted.headers['idempotency-replayed']).toBeUndefined()
    const { rowCount } = await api.sql.query(`SELECT 1 FROM orch.sms_messages WHERE idempotency_hash = $1`, [
      idempotencyHash(tenantId, accountId, key['Idempotency-Key']),
    ])
    expect(rowCount).toBe(1)
  })

  test('a connection that breaks while the transaction is open answers 503', async () => {
    const rival = await api.sql.connect()
    await rival.query('BEGIN')
    const key = randomUUID()
    await rival.query(
      `INSERT INTO orch.idempotency_keys VALUES ($1, $3, $2, gen_random_uuid(), 'x', '{}', now(), now())`,
      [idempotencyHash(tenantId, accountId, key), accountId, tenantId],
    )
    const waiting = api.send(goodBody, { 'Idempotency-Key': key })
    await until(async () => {
      const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'orch_svc'`
      return (await api.sql.query(waits)).rowCount === 1
    })
    await api.cuts.postgres.cut()
    expect((await waiting).status).toBe(503)
    await rival.query('ROLLBACK')
    rival.release()
    await api.cuts.postgres.mend()
    expect((await api.send(goodBody)).status).toBe(202)
  })
})

describe('PLT-5 [F4] ORC-1.7 NATS down', () => {
  test('submits are accepted; once NATS is back the relay publishes each exactly once', async () => {
    await api.cuts.nats.cut()
    await until(async () => !(await isUp('nats')))
    const answers = await Promise.all(Array.from({ length: 5 }, () => api.send(goodBody)))
    const ids = answers.map((answer) => idOf(answer.json))
    expect(answers.map((answer) => answer.status)).toEqual([202, 202, 202, 202, 202])
    expect((await api.call('/ready')).status).toBe(200)
    expect((await api.call('/metrics')).text).toMatch(
      /orch_nats_publish_errors_total\{stream="SMS_OUTBOUND"\} [1-9]/,
    )
    await until(async () => /orch_outbox_pending [1-9]/.test((await api.call('/metrics')).text))
    await api.cuts.nats.mend()
    await until(async () => {
      const published = await correlations()
      return ids.every((id) => published.includes(id))
    })
    await until(async () => (await api.sql.query('SELECT 1 FROM orch.outbox')).rowCount === 0)
    const published = await correlations()
    expect(new Set(published).size).toBe(published.length)
  })
})

describe('fault A6: a flood of one tenant', () => {
  test('the noisy neighbour, A with 400 connections, B with 1: none of B is refused, readiness is green', async () => {
    const other = {
      ...(await authorized(api, { tenant_id: randomUUID() })),
      'Content-Type': 'application/json',
    }
    const flood = Array.from({ length: 400 }, () => api.send(goodBody))
    const ready = Array.from({ length: 20 }, () => api.call('/ready'))
    const ofB: number[] = []
    while (ofB.length < 5) ofB.push((await api.send(goodBody, other)).status)
    expect(ofB).toEqual([202, 202, 202, 202, 202])
    expect(new Set((await Promise.all(ready)).map(({ status }) => status))).toEqual(new Set([200]))
    const statuses = (await Promise.all(flood)).map(({ status }) => status)
    expect(statuses.filter((status) => ![202, 503].includes(status))).toEqual([])
  })

  test('whose connections to Postgres all wait does not turn readiness red', async () => {
    const rival = await api.sql.connect()
    await rival.query('BEGIN')
    await rival.query('LOCK TABLE orch.outbox IN ACCESS EXCLUSIVE MODE')
    const waiting = Array.from({ length: 60 }, () => api.send(goodBody))
    await until(async () => {
      const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'orch_svc'`
      return ((await api.sql.query(waits)).rowCount ?? 0) > 0
    })
    expect((await api.call('/ready')).status).toBe(200)
    await rival.query('ROLLBACK')
    rival.release()
    await Promise.all(waiting)
    expect((await api.send(goodBody)).status).toBe(202)
  })

  test('whose reads all wait keeps no submit and no read of another waiting', async () => {
    const other = await authorized(api, { tenant_id: randomUUID() })
    const { messageId } = SubmitReply.parse((await api.send(goodBody)).json)
    const headers = await authorized(api)
    const rival = await api.sql.connect()
    await rival.query('BEGIN')
    await rival.query('LOCK TABLE dlr.segment_dlrs IN ACCESS EXCLUSIVE MODE')
    const path = `/v1/sms/${messageId}/segments`
    const waiting = Array.from({ length: 60 }, () => api.call(path, { headers }))
    await until(async () => {
      const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'orch_svc'`
      return ((await api.sql.query(waits)).rowCount ?? 0) >= 3
    })
    const answer = await api.send(goodBody, { ...other, 'Content-Type': 'application/json' })
    const page = await api.call('/v1/sms', { headers: other })
    await rival.query('ROLLBACK')
    rival.release()
    await Promise.all(waiting)
    expect([answer.status, page.status]).toEqual([202, 200])
  })

  test('fault S2: a month without a partition is an outage, and stores nothing', async () => {
    const far = 200 * 86_400_000
    api.advance(far)
    const refused = await api.send(goodBody)
    api.advance(-far)
    expect(refused).toMatchObject({ status: 503, json: { code: 'DEPENDENCY_UNAVAILABLE' } })
    expect(refused.headers['retry-after']).toBe('5')
  })
})
