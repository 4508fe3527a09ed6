import { randomUUID } from 'node:crypto'
import { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { releasedReceiptEventId } from '../../../streams/domain/event-id.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import { createInstruments } from '../../instruments.ts'
import { connectDatabase, openPool } from '../../postgres.ts'
import { AdminWorld } from '../../testing/admin-world.suite.ts'
import type { Answer } from '../../testing/call.suite.ts'
import { accountId, startRealApi, tenantId, type RealApi } from '../../testing/real-api.suite.ts'
import { until } from '../../testing/until.suite.ts'
import { orphanDesk } from './orphan-desk.ts'
import { Orphan, QuarantinedDetail, QuarantinePage } from './desk.ts'

const DAY_MS = 86_400_000
const MARKER = '447700900123'

let api: RealApi
let pool: Pool
beforeAll(async () => {
  api = await startRealApi()
  pool = new Pool({ connectionString: api.urlAs('dlr_svc'), max: 2 })
}, 60_000)
afterAll(async () => {
  await pool.end()
  await api.close()
})
afterEach(() =>
  api.sql.query(
    'TRUNCATE dlr.quarantined_dlrs, dlr.quarantine_releases, dlr.orphan_dlrs, orch.admin_actions, orch.outbox, orch.sms_messages',
  ),
)

const ask = async (path: string, body?: unknown): Promise<Answer> => {
  const claims = { roles: 'platform.admin', sub: 'ann', scope: '', account_id: undefined }
  const headers = {
    Authorization: `Bearer ${await api.token(claims)}`,
    'X-Tenant-Id': tenantId,
    'Content-Type': 'application/json',
  }
  const given = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  return api.call(`/v1/admin/dlr/${path}`, { headers, ...given })
}
const rows = async (sql: string) => (await api.sql.query<Record<string, unknown>>(sql)).rows
const published = async (event: string) =>
  (await api.published()).filter(({ headers }) => headers['Nats-Msg-Id'] === `sms.dlr.inbound:${event}`)

const listed = async (query: string) =>
  QuarantinePage.parse((await ask(`quarantine?${query}`)).json).receipts.map((one) => one.quarantineId)
const unfit = (path: string, message: string) => ({ code: 'INVALID_PAYLOAD', errors: [{ path, message }] })
const text: unknown = expect.any(String)

const owner = { tenantId: randomUUID(), accountId }

/** A receipt that the topology has quarantined, and its sink has stored so. */
async function quarantined(stat = 'UNDELIV') {
  const world = new AdminWorld(pool, api.now() - 2 * DAY_MS)
  const messageId = randomUUID()
  world.submitted(messageId, 'OP-1', owner)
  world.receipt('OP-1', 'DELIVRD')
  world.hours(26)
  world.receipt('OP-1', stat, 3_600_000)
  const record = (await world.project()).find(({ kind }) => kind === 'QUARANTINED')
  if (record?.kind !== 'QUARANTINED') throw new Error('nothing was quarantined')
  return { world, messageId, quarantineId: record.quarantineId, record }
}

describe('DLR-016.4 a quarantined receipt', () => {
  test('is released once, runs through the pipeline again, and is answered with what became of it', async () => {
    const { world, messageId, quarantineId, record } = await quarantined()
    expect(QuarantinePage.parse((await ask('quarantine?state=held')).json).receipts).toMatchObject([
      { quarantineId, messageId, operatorId: world.operatorId, rawStat: 'UNDELIV', release: null },
    ])
    const first = await ask(`quarantine/${quarantineId}/release`, { reason: 'confirmed' })
    expect([first.status, first.json]).toEqual([202, { quarantineId, releasedAt: text }])
    expect((await ask(`quarantine/${quarantineId}/release`, { reason: 'again' })).json).toMatchObject({
      code: 'ALREADY_RELEASED',
    })
    expect(await rows('SELECT action, target, actor, reason, detail FROM orch.admin_actions')).toEqual([
      {
        action: 'quarantine.release',
        target: quarantineId,
        actor: 'ann',
        reason: 'confirmed',
        detail: { messageId, tenantId: owner.tenantId, operatorId: world.operatorId },
      },
    ])

    const eventId = releasedReceiptEventId(quarantineId)
    await until(async () => (await published(eventId)).length === 1)
    const [message] = await published(eventId)
    if (message === undefined) throw new Error('nothing was published')
    expect(message.subject).toBe(`${api.subjectPrefix}sms.dlr.inbound`)
    expect(message.headers).toMatchObject({
      'X-Dlr-Release': quarantineId,
      'X-Tenant-Id': owner.tenantId,
      'X-Correlation-ID': messageId,
      'X-Operator-ID': world.operatorId,
      traceparent: text,
    })
    const { dlrStatus: _, fingerprint: __, ...receipt } = record.receipt
    expect(message.event).toEqual({
      ...receipt,
      ...owner,
      schemaVersion: '1.0',
      eventId,
      occurredAt: z.object({ releasedAt: z.string() }).parse(first.json).releasedAt,
      messageId,
      segmentIndex: 1,
      totalSegments: 1,
      enqueuedAt: record.enqueuedAt,
    })

    world.deliver(message)
    world.deliver(message)
    expect((await world.project()).map(({ kind }) => kind)).toEqual(['LATE'])
    const shown = QuarantinedDetail.parse((await ask(`quarantine/${quarantineId}`)).json)
    expect(shown.release).toMatchObject({ releasedBy: 'ann', reason: 'confirmed', outcome: 'late' })
    expect(shown.payload).toMatchObject({ stat: 'UNDELIV', destAddr: `+${MARKER}` })
    expect((await ask('quarantine?state=held')).json).toEqual({ receipts: [], nextCursor: null })
  })

  test('is released by one of several who ask at the same time', async () => {
    const { quarantineId } = await quarantined()
    const asking = [1, 2, 3, 4].map(() => ask(`quarantine/${quarantineId}/release`, { reason: 'x' }))
    const statuses = (await Promise.all(asking)).map(({ status }) => status)
    expect(statuses.toSorted((a, b) => a - b)).toEqual([202, 409, 409, 409])
    const eventId = releasedReceiptEventId(quarantineId)
    await until(async () => (await rows('SELECT 1 FROM orch.outbox')).length === 0)
    expect(await published(eventId)).toHaveLength(1)
    expect(await rows('SELECT 1 FROM orch.admin_actions')).toHaveLength(1)
  })

  test('leaves no audit row of a release that was not ordered', async () => {
    const { quarantineId } = await quarantined()
    await api.sql.query(`ALTER TABLE orch.outbox ADD CONSTRAINT odd CHECK (subject <> 'sms.dlr.inbound')`)
    const refused = await ask(`quarantine/${quarantineId}/release`, { reason: 'x' })
    await api.sql.query('ALTER TABLE orch.outbox DROP CONSTRAINT odd')
    expect([refused.status, await rows('SELECT 1 FROM orch.admin_actions')]).toEqual([500, []])
    expect((await ask(`quarantine/${quarantineId}/release`, { reason: 'x' })).status).toBe(202)
  })

  test('is listed newest first, page by page, by operator and time', async () => {
    const all = []
    for (const _ of [1, 2, 3]) all.push(await quarantined())
    const seen: string[] = []
    let cursor = ''
    do {
      const page = QuarantinePage.parse((await ask(`quarantine?limit=2${cursor}`)).json)
      seen.push(...page.receipts.map(({ quarantineId }) => quarantineId))
      cursor = page.nextCursor === null ? '' : `&cursor=${page.nextCursor}`
    } while (cursor !== '')
    const newestFirst = all.toSorted((a, b) =>
      a.record.receipt.receivedAt < b.record.receipt.receivedAt ? 1 : -1,
    )
    expect(seen).toEqual(newestFirst.map(({ quarantineId }) => quarantineId))
    const [{ record, quarantineId } = await quarantined()] = all
    const { operatorId, receivedAt } = record.receipt
    expect(await listed(`operatorId=${operatorId}&from=${receivedAt}`)).toEqual([quarantineId])
    expect(await listed(`operatorId=${operatorId}&to=${receivedAt}`)).toEqual([])
  })

  test('that there is not is a 404', async () => {
    expect((await ask(`quarantine/${randomUUID()}/release`, { reason: 'x' })).status).toBe(404)
    expect((await ask(`quarantine/${randomUUID()}`)).status).toBe(404)
  })
})

const insertOrphans = (count: number, operatorId: string, atMs: number, bytes = 10) =>
  api.sql.query(
    `INSERT INTO dlr.orphan_dlrs (orphan_id, operator_id, operator_message_id, raw_stat, raw_payload, received_at)
     SELECT gen_random_uuid(), $1, 'OP-' || n, 'DELIVRD', jsonb_build_object('text', repeat('x', $4)), $2::timestamptz + n / 3 * interval '1 ms'
     FROM generate_series(0, $3 - 1) AS n`,
    [operatorId, new Date(atMs).toISOString(), count, bytes],
  )
const exported = (text: string) =>
  text.split('\n').flatMap((line) => (line === '' ? [] : [Orphan.parse(JSON.parse(line))]))

describe('DLR-022.3 the export of orphans', () => {
  const [one, other] = [randomUUID(), randomUUID()]

  test('has every orphan of the time once, the oldest first, also where several came in one millisecond', async () => {
    const from = Math.floor(api.now() / 1000) * 1000 - DAY_MS
    await insertOrphans(1_700, one, from)
    await insertOrphans(40, other, from)
    const window = `from=${new Date(from).toISOString()}&to=${new Date(from + 500).toISOString()}`
    const { status, text } = await ask(`orphans/export?${window}`)
    const orphans = exported(text)
    expect([status, orphans.length]).toEqual([200, 1_540])
    expect(new Set(orphans.map(({ orphanId }) => orphanId)).size).toBe(1_540)
    const times = orphans.map(({ receivedAt }) => receivedAt)
    expect(times).toEqual(times.toSorted())
    const ofOther = exported((await ask(`orphans/export?${window}&operatorId=${other}`)).text)
    expect(ofOther.map(({ operatorMessageId }) => operatorMessageId).toSorted()).toEqual(
      Array.from({ length: 40 }, (_, n) => `OP-${n}`).toSorted(),
    )
    const table = (await ask(`orphans/export?${window}&format=csv`)).text
    expect(table.split('\r\n')).toHaveLength(1_542)
    expect(await rows('SELECT action, target, actor, detail FROM orch.admin_actions ORDER BY at')).toEqual(
      ['all', other, 'all'].map((target) => ({
        action: 'orphans.export',
        target,
        actor: 'ann',
        detail: {
          from: new Date(from).toISOString(),
          to: new Date(from + 500).toISOString(),
          ...(target !== 'all' && { operatorId: other }),
        },
      })),
    )
  })

  test('takes fewer large receipts a page, and at least one', async () => {
    const from = Math.floor(api.now() / 1000) * 1000 - DAY_MS
    await insertOrphans(9, one, from, 1_500_000)
    await insertOrphans(1, one, from + 10, 6_000_000)
    const limits = { connectionsMax: 1, connectMsMax: 5_000, statementMsMax: 10_000 }
    const admin = openPool(api.urlAs('admin_svc'), limits, silentLogger)
    const database = connectDatabase(admin, limits, createInstruments(new Metrics()))
    const desk = orphanDesk({ database, now: () => api.now(), newId: randomUUID })
    const window = { from: new Date(from).toISOString(), to: new Date(from + 500).toISOString() }
    const pages: number[] = []
    for await (const page of desk.exportOrphans(window, { actor: 'ann' })) pages.push(page.length)
    await admin.end()
    expect(pages).toEqual([2, 2, 2, 2, 1, 1])
  })

  test('finds its pages by an index, of all operators and of one', async () => {
    const from = Math.floor(api.now() / 1000) * 1000 - DAY_MS
    await insertOrphans(30_000, one, from)
    await insertOrphans(300, other, from)
    await api.sql.query('ANALYZE dlr.orphan_dlrs')
    const plans = await Promise.all(
      ['', `AND operator_id = '${other}'`].map(async (more) =>
        JSON.stringify(
          await rows(
            `EXPLAIN (FORMAT JSON) SELECT * FROM dlr.orphan_dlrs WHERE received_at >= '${new Date(from).toISOString()}'
             AND received_at < '${new Date(from + DAY_MS).toISOString()}' ${more}
             AND (received_at, orphan_id) > ('${new Date(from + 3000).toISOString()}', '${randomUUID()}')
             ORDER BY received_at, orphan_id LIMIT 500`,
          ),
        ),
      ),
    )
    for (const plan of plans) expect(plan).not.toContain('Seq Scan')
  })
})

const insertMessage = (messageId: string, operatorId: string, segments = 1) =>
  api.sql.query(
    `INSERT INTO orch.sms_messages (message_id, tenant_id, account_id, to_msisdn, from_sender, body, segment_count,
       message_type, encoding, status, operator_id, enqueued_at, status_updated_at, expires_at)
     VALUES ($1, $2, $3, '+${MARKER}', 'GHASI', 'x', $5, 'SMS', 'GSM7', 'SENT', $4, $6, $6, $6)`,
    [messageId, owner.tenantId, owner.accountId, operatorId, segments, new Date(api.now() - 2 * DAY_MS)],
  )

/** A receipt under an id that nobody knows, in the tables. */
async function orphaned() {
  const world = new AdminWorld(pool, api.now() - DAY_MS)
  const messageId = randomUUID()
  world.submitted(messageId, 'OP-1', owner)
  world.receipt('OP-404', 'DELIVRD')
  world.hours(1)
  const record = (await world.project()).find(({ kind }) => kind === 'ORPHAN')
  if (record?.kind !== 'ORPHAN') throw new Error('there is no orphan')
  return { world, messageId, orphanId: record.orphanId }
}

describe('an orphan that a person knows the message of', () => {
  test('is given to it once: the open message takes its status [H21]', async () => {
    const { world, messageId, orphanId } = await orphaned()
    await insertMessage(messageId, world.operatorId)
    const order = { reason: 'by mail', messageId, segmentIndex: 1 }
    const first = await ask(`orphans/${orphanId}/reconcile`, order)
    expect([first.status, first.json]).toEqual([202, { orphanId, reconciledAt: text }])
    expect((await ask(`orphans/${orphanId}/reconcile`, order)).status).toBe(409)
    expect(await rows('SELECT action, target, actor, reason FROM orch.admin_actions')).toEqual([
      { action: 'orphan.reconcile', target: orphanId, actor: 'ann', reason: 'by mail' },
    ])
    const eventId = releasedReceiptEventId(orphanId)
    await until(async () => (await published(eventId)).length === 1)
    for (const message of await published(eventId)) world.deliver(message)
    expect(await world.project()).toMatchObject([
      { kind: 'RECEIPT', messageId, applied: true, messageOutcome: { status: 'DELIVERED' } },
    ])
    expect(await rows('SELECT outcome FROM dlr.quarantine_releases')).toEqual([{ outcome: 'applied' }])
    expect(await rows('SELECT status FROM orch.sms_messages')).toEqual([{ status: 'DELIVERED' }])
  })

  test('is not given to a message that it cannot be of', async () => {
    const { world, messageId, orphanId } = await orphaned()
    const reconcile = async (segmentIndex = 1) =>
      (await ask(`orphans/${orphanId}/reconcile`, { reason: 'x', messageId, segmentIndex })).json
    expect(await reconcile()).toMatchObject(unfit('messageId', 'names no message'))
    await insertMessage(messageId, randomUUID(), 2)
    expect(await reconcile()).toMatchObject(
      unfit('messageId', 'was not sent through the operator of the receipt'),
    )
    await api.sql.query('UPDATE orch.sms_messages SET operator_id = $1', [world.operatorId])
    expect(await reconcile(3)).toMatchObject(unfit('segmentIndex', 'must be at most 2'))
    await api.sql.query('UPDATE orch.sms_messages SET enqueued_at = now()')
    expect(await reconcile()).toMatchObject(unfit('messageId', 'is younger than the receipt'))
    expect(await rows('SELECT 1 FROM orch.admin_actions')).toEqual([])
    expect(
      (await ask(`orphans/${randomUUID()}/reconcile`, { reason: 'x', messageId, segmentIndex: 1 })).status,
    ).toBe(404)
  })
})

test('no number reaches a line of the log', () => {
  const written = api.logged.join('\n')
  for (const event of ['dlr.quarantine_released', 'dlr.orphans_exported', 'dlr.orphan_reconciled'])
    expect(written).toContain(event)
  expect(written).not.toContain(MARKER)
})
