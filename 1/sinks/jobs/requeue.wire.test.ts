import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ENQUEUED_AT, EXAMPLE_IDS, insertMessage, openScene, type Scene } from '../testing/scene.suite.ts'
import { requeue, SELECT_QUEUED } from './requeue.ts'

let scene: Scene
let refused: (readonly [string, readonly string[]])[]
beforeAll(async () => {
  scene = await openScene('requeue')
})
afterAll(() => scene.close())
beforeEach(async () => {
  refused = []
  await scene.admin.query('TRUNCATE orch.sms_messages, orch.outbox')
})

const nowMs = Date.parse(ENQUEUED_AT) + 2 * 3_600_000
const as = (role: string) => scene.as(role)
const told = (messageId: string, paths: readonly string[]) => void refused.push([messageId, paths])
const run = () => {
  const pools = {
    migrator: as('migrator'),
    relay: as('orch_relay'),
    dlr: as('dlr_svc'),
    smpp: as('smpp_svc'),
  }
  return requeue.run(pools, { nowMs, lastMs: undefined, refused: told })
}
const outbox = (columns: string) => scene.rows(`SELECT ${columns} FROM orch.outbox`)
const insertMany = (count: number, status: string) =>
  scene.admin.query(
    `INSERT INTO orch.sms_messages (message_id, tenant_id, account_id, to_msisdn, from_sender, body, segment_count,
       message_type, encoding, status, enqueued_at, status_updated_at, expires_at)
     SELECT gen_random_uuid(), $1, $1, '+447700900123', 'GHASI', 'x', 1, 'SMS', 'GSM7', $2, at, at, at + interval '2 days'
     FROM (SELECT $3::timestamptz - make_interval(secs => n / 100) AS at FROM generate_series(1, $4) AS n) AS made`,
    [EXAMPLE_IDS.tenantId, status, ENQUEUED_AT, count],
  )

describe('[DB74] requeue', () => {
  it('takes the others when a row makes no request, and tells which one', async () => {
    const odd = { ...EXAMPLE_IDS, messageId: randomUUID() }
    await insertMessage(scene, odd)
    await scene.admin.query(`UPDATE orch.sms_messages SET metadata = '{"a": 1}', segment_count = 300`)
    await insertMessage(scene)
    expect(await run()).toBe(1)
    expect(await outbox('msg_id')).toEqual([{ msg_id: EXAMPLE_IDS.messageId }])
    expect(refused).toEqual([[odd.messageId, ['metadata.a']]])
  })

  it('goes on to the next page, and takes nothing twice', async () => {
    await insertMany(2_500, 'QUEUED')
    expect(await run()).toBe(2_500)
    expect(await run()).toBe(0)
    expect(await outbox('count(DISTINCT msg_id)::int AS messages, count(*)::int AS rows')).toEqual([
      { messages: 2_500, rows: 2_500 },
    ])
  })

  it('makes the row anew that was put aside in the outbox, and leaves one alone that waits', async () => {
    await insertMessage(scene)
    const insert = (deadAt: string | null) =>
      scene.admin.query(
        `INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, created_at, attempts, dead_at)
         VALUES ($1, $2, 'sms.outbound.request', $1::uuid, '{"odd": 1}', '{}', $3, 5, $4)`,
        [EXAMPLE_IDS.messageId, EXAMPLE_IDS.tenantId, ENQUEUED_AT, deadAt],
      )
    await insert(null)
    expect(await run()).toBe(0)
    await scene.admin.query('UPDATE orch.outbox SET dead_at = created_at')
    expect(await run()).toBe(1)
    expect(await outbox('attempts, dead_at, headers, created_at')).toEqual([
      {
        attempts: 0,
        dead_at: null,
        headers: {
          'X-Tenant-Id': EXAMPLE_IDS.tenantId,
          'X-Correlation-ID': EXAMPLE_IDS.messageId,
        },
        created_at: new Date(ENQUEUED_AT),
      },
    ])
  })

  it('finds the few that are QUEUED by an index, and their outbox rows by another', async () => {
    await insertMany(30_000, 'SENT')
    await insertMany(50, 'QUEUED')
    await scene.admin.query(
      `INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, created_at)
       SELECT message_id, tenant_id, '', message_id, '{}', '{}', enqueued_at FROM orch.sms_messages`,
    )
    await scene.admin.query('ANALYZE orch.sms_messages, orch.outbox')
    const client = await scene.as('orch_relay').connect()
    try {
      const between = [new Date(nowMs - 48 * 3_600_000), new Date(nowMs - 3_600_000), new Date(nowMs)]
      const { rows } = await client.query(`EXPLAIN (FORMAT JSON) ${SELECT_QUEUED}`, [
        ...between,
        '-infinity',
        EXAMPLE_IDS.messageId,
      ])
      const plan = JSON.stringify(z.array(z.unknown()).parse(rows))
      expect(plan).toMatch(/"Index Name":"sms_messages_\d+_enqueued_at_message_id_idx"/)
      expect(plan).toContain('"Index Name":"ix_outbox_created_at"')
      expect(plan).not.toContain('Seq Scan')
    } finally {
      client.release()
    }
  })
})
