import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Pool } from 'pg'
import { createDatabase, type TemporaryDatabase } from '../../dev/database.ts'
import { silentLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import type { Publication } from './event-publisher.ts'
import { createInstruments } from '../instruments.ts'
import { deleteDelivered } from './deletion.ts'
import { startRelay, type Relay } from './relay.ts'
import { openPool } from '../postgres.ts'
import { serverUrl } from '../testing/real-api.suite.ts'

let database: TemporaryDatabase
let sql: Pool
let relayPool: Pool
beforeAll(async () => {
  database = await createDatabase(serverUrl('DATABASE_URL'), `outbox_${randomUUID().slice(0, 8)}`)
  sql = new Pool({ connectionString: database.url })
  relayPool = openPool(
    database.urlAs('orch_relay'),
    { connectionsMax: 5, connectMsMax: 2_000, statementMsMax: 5_000 },
    silentLogger,
  )
})
afterAll(async () => {
  await sql.end()
  await relayPool.end()
  await database.drop()
})
beforeEach(() => sql.query('TRUNCATE orch.outbox'))

const metrics = new Metrics()
const instruments = createInstruments(metrics)
const nowMs = Date.parse('2026-04-18T10:23:40.000Z')
const before = (ms: number) => new Date(nowMs - ms).toISOString()

async function insert(count: number, createdAt: string): Promise<string[]> {
  const { rows } = await sql.query<{ event_id: string }>(
    `INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, created_at)
     SELECT id, id, 'sms.outbound.request', 'sms.outbound.request:' || id, '{"X-Tenant-Id": "t"}', '{"a": 1}', $2
     FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)) AS made RETURNING event_id`,
    [count, createdAt],
  )
  return rows.map((row) => row.event_id)
}

const left = async () => {
  const { rows } = await sql.query<{ event_id: string; attempts: number }>(
    'SELECT event_id, attempts FROM orch.outbox',
  )
  return rows
}

async function relayWith(
  publish: (event: Publication) => Promise<boolean>,
  work: (relay: Relay) => Promise<void>,
): Promise<void> {
  // Not connected as far as the loop can see, so that only the test's own calls publish.
  const publisher = { connected: false, publish, close: async () => {} }
  const relay = startRelay({
    pool: relayPool,
    publisher,
    instruments,
    logger: silentLogger,
    now: () => nowMs,
  })
  try {
    await work(relay)
  } finally {
    await relay.close()
  }
}

const dying = async (): Promise<boolean> => {
  await sql.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE usename = 'orch_relay' AND state = 'idle in transaction'
      AND datname = current_database()`)
  return true
}

describe('PLT-5 [F1] the outbox relay', () => {
  test('publishes what is older than two seconds as it was written, and deletes it', async () => {
    const [old] = await insert(1, before(2_001))
    const [young] = await insert(1, before(1_999))
    const published: Publication[] = []
    await relayWith(
      async (event) => published.push(event) > 0,
      async (relay) => {
        expect(await relay.runOnce()).toBe(1)
      },
    )
    expect(published).toEqual([
      {
        subject: 'sms.outbound.request',
        msgId: `sms.outbound.request:${old}`,
        headers: { 'X-Tenant-Id': 't' },
        payload: '{"a":1}',
      },
    ])
    expect(await left()).toEqual([{ event_id: young, attempts: 0 }])
  })

  test('keeps and counts what was not acknowledged', async () => {
    const [first, second] = await insert(2, before(5_000))
    await relayWith(
      async (event) => event.msgId.endsWith(String(first)),
      async (relay) => {
        expect(await relay.runOnce()).toBe(1)
        expect(await relay.runOnce()).toBe(0)
      },
    )
    expect(await left()).toEqual([{ event_id: second, attempts: 2 }])
  })

  test('takes at most 500, the oldest first', async () => {
    await insert(500, before(9_000))
    const [youngest] = await insert(1, before(8_000))
    await relayWith(
      async () => true,
      async (relay) => {
        expect(await relay.runOnce()).toBe(500)
      },
    )
    expect(await left()).toEqual([{ event_id: youngest, attempts: 0 }])
  })

  test('two at once never publish the same row', async () => {
    await insert(700, before(5_000))
    const published: string[] = []
    const publish = async (event: Publication) => published.push(event.msgId) > 0
    await relayWith(publish, (one) =>
      relayWith(publish, async (two) => {
        await Promise.all([one.runOnce(), two.runOnce()])
      }),
    )
    expect(published).toHaveLength(700)
    expect(new Set(published).size).toBe(700)
    expect(await left()).toEqual([])
  })

  test('gives its rows back when it dies before the delete', async () => {
    await insert(1, before(5_000))
    await relayWith(dying, async (relay) => {
      await expect(relay.runOnce()).rejects.toThrow(/terminat|connection/)
    })
    expect(await left()).toHaveLength(1)
  })
})

test('delivered rows are deleted together, and only those', async () => {
  const createdAt = before(0)
  const [first, second, third] = await insert(3, createdAt)
  if (first === undefined || second === undefined) throw new Error('three rows were inserted')
  const delivered = deleteDelivered(relayPool, instruments)
  delivered.add({ eventId: first, createdAt })
  delivered.add({ eventId: second, createdAt })
  await delivered.close()
  expect(await left()).toEqual([{ event_id: third, attempts: 0 }])
})
