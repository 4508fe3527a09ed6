import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Pool } from 'pg'
import { createDatabase, type TemporaryDatabase } from '../../dev/database.ts'
import { silentLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import type { EventPublisher, Publication, Published } from './event-publisher.ts'
import { createInstruments } from '../instruments.ts'
import { deleteDelivered } from './deletion.ts'
import { startRelay, type Relay } from './relay.ts'
import { connectDatabase, openPool } from '../postgres.ts'
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
let nowMs = Date.parse('2026-04-18T10:23:40.000Z')
const before = (ms: number) => new Date(nowMs - ms).toISOString()

async function insert(count: number, createdAt: string): Promise<string[]> {
  const { rows } = await sql.query<{ event_id: string }>(
    `INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, created_at, next_try_at)
     SELECT id, id, 'sms.outbound.request', id, '{"X-Tenant-Id": "t"}', '{"a": 1}', $2,
       $2::timestamptz + interval '2 seconds' FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)) AS made RETURNING event_id`,
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
  publish: (event: Publication) => Promise<boolean | Published>,
  work: (relay: Relay) => Promise<void>,
): Promise<void> {
  // Not connected as far as the loop can see, so that only the test's own calls publish.
  const publisher: EventPublisher = {
    connected: false,
    async publish(event) {
      const answer = await publish(event)
      if (typeof answer !== 'boolean') return answer
      return { kind: answer ? 'acknowledged' : 'unknown' }
    },
  }
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
        msgId: String(old),
        headers: { 'X-Tenant-Id': 't' },
        payload: '{"a":1}',
      },
    ])
    expect(await left()).toEqual([{ event_id: young, attempts: 0 }])
  })

  test('keeps what was not acknowledged, and tries it again after 2, then 4 seconds', async () => {
    const [first, second] = await insert(2, before(5_000))
    await relayWith(
      async (event) => event.msgId.endsWith(String(first)),
      async (relay) => {
        expect(await relay.runOnce()).toBe(2)
        expect(await relay.runOnce()).toBe(0)
        nowMs += 2_000
        expect(await relay.runOnce()).toBe(1)
        nowMs += 3_999
        expect(await relay.runOnce()).toBe(0)
      },
    )
    expect(await left()).toEqual([{ event_id: second, attempts: 2 }])
  })

  test('a clock that was a day ahead and is put right keeps no row waiting for that day', async () => {
    const rows = await insert(600, before(-86_400_000))
    const tomorrow = nowMs + 86_400_000
    const real = nowMs
    await relayWith(
      async () => false,
      async (relay) => {
        nowMs = tomorrow + 5_000
        await relay.runOnce()
        nowMs = real
        await relay.runOnce()
        await relay.runOnce()
      },
    )
    const tried = await left()
    expect(tried).toHaveLength(rows.length)
    expect(tried.filter(({ attempts }) => attempts === 0)).toEqual([])
  })

  test('a try that is due in five minutes is no such jump', async () => {
    await insert(1, before(-300_000))
    await relayWith(
      async () => true,
      async (relay) => {
        expect(await relay.runOnce()).toBe(0)
      },
    )
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

describe('fault A8: the outbox relay', () => {
  const refused: Published = { kind: 'refused', reason: 'too large' }

  test('publishes a good row although 500 older ones are refused', async () => {
    const bad = new Set(await insert(500, before(9_000)))
    const [good] = await insert(1, before(8_000))
    const published: string[] = []
    await relayWith(
      async ({ msgId }) => (bad.has(msgId) ? refused : published.push(msgId) > 0),
      async (relay) => {
        await relay.runOnce()
        await relay.runOnce()
      },
    )
    expect(published).toEqual([good])
  })

  test('F20 puts a row aside that is refused five times, and one that nobody acknowledges never', async () => {
    const [bad, silent] = await insert(2, before(5_000))
    const tried: string[] = []
    await relayWith(
      async ({ msgId }) => {
        tried.push(msgId)
        return msgId === bad ? refused : false
      },
      async (relay) => {
        for (let round = 0; round < 12; round++, nowMs += 300_000) await relay.runOnce()
      },
    )
    expect(tried.filter((id) => id === bad)).toHaveLength(5)
    expect(tried.filter((id) => id === silent)).toHaveLength(12)
    const { rows } = await sql.query(
      'SELECT event_id, dead_reason FROM orch.outbox WHERE dead_at IS NOT NULL',
    )
    expect(rows).toEqual([{ event_id: bad, dead_reason: 'too large' }])
    expect(await metrics.registry.metrics()).toContain('orch_outbox_dead_letters_total 1')
  })

  test('puts aside a row that it cannot read, and goes on with the others', async () => {
    const [unreadable, good] = await insert(2, before(5_000))
    await sql.query(`UPDATE orch.outbox SET headers = '{"X-Tenant-Id": 5}' WHERE event_id = $1`, [unreadable])
    const published: string[] = []
    await relayWith(
      async ({ msgId }) => published.push(msgId) > 0,
      async (relay) => {
        expect(await relay.runOnce()).toBe(2)
        expect(await relay.runOnce()).toBe(0)
      },
    )
    expect(published).toEqual([good])
    expect(await left()).toEqual([{ event_id: unreadable, attempts: 1 }])
  })
})

test('delivered rows are deleted together, and only those', async () => {
  const createdAt = before(0)
  const [first, second, third] = await insert(3, createdAt)
  if (first === undefined || second === undefined) throw new Error('three rows were inserted')
  const relayDatabase = connectDatabase(relayPool, { statementMsMax: 5_000 }, instruments)
  const delivered = deleteDelivered(relayDatabase)
  delivered.add({ eventId: first, createdAt })
  delivered.add({ eventId: second, createdAt })
  await delivered.close()
  expect(await left()).toEqual([{ event_id: third, attempts: 0 }])
})
