import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Pool } from 'pg'
import { createDatabase, type TemporaryDatabase } from '../../dev/database.ts'
import { requestExample } from '../../streams/contracts/examples.ts'
import { silentLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import { createInstruments } from '../instruments.ts'
import { connectDatabase, openPool } from '../postgres.ts'
import { messageReader } from '../reading/message-reader.ts'
import { groupCommit } from './group-commit.ts'
import { messageStore, type MessageStore, type NewMessage } from './message-store.ts'
import { serverUrl } from '../testing/real-api.suite.ts'

const LIMITS = { connectionsMax: 1, connectMsMax: 10_000, statementMsMax: 10_000 }
const enqueuedAt = new Date().toISOString()
const expiresAt = new Date(Date.now() + 3_600_000).toISOString()

let database: TemporaryDatabase
/** Of one connection, so that what it leaves behind can be looked at. */
let pool: Pool
let store: MessageStore
beforeAll(async () => {
  database = await createDatabase(serverUrl('DATABASE_URL'), `pooler_${randomUUID().slice(0, 8)}`)
  pool = openPool(database.urlAs('orch_svc'), LIMITS, silentLogger)
  const connected = connectDatabase(pool, LIMITS, createInstruments(new Metrics()))
  store = groupCommit({ store: messageStore(connected), sleep: async () => {} })
})
afterAll(async () => {
  await pool.end()
  await database.drop()
})

function messageOf(tenantId: string, change: Partial<NewMessage['request']> = {}): NewMessage {
  const messageId = randomUUID()
  const request = {
    ...requestExample,
    messageId,
    tenantId,
    enqueuedAt,
    expiresAt,
    eventId: messageId,
    ...change,
  }
  return {
    request,
    publication: { subject: 's', msgId: messageId, headers: {}, payload: JSON.stringify(request) },
    reply: { messageId, status: 'QUEUED', segmentCount: 1, encoding: 'GSM7', enqueuedAt },
    claim: { hash: randomUUID(), fingerprint: 'f' },
  }
}

test('fault A14: nothing stays behind in a session, so a pooler may change it with every transaction', async () => {
  const [tenantId, accountId] = [randomUUID(), requestExample.accountId]
  const message = messageOf(tenantId)
  await store.insert([message])
  await store.insert([message], { replaceExpired: true })
  await store.storedReplies(tenantId, [message.claim?.hash ?? ''])
  const reader = messageReader(connectDatabase(pool, LIMITS, createInstruments(new Metrics())))
  expect(await reader.message({ tenantId, accountId }, message.request.messageId)).toMatchObject({
    status: 'QUEUED',
  })
  expect(await reader.segments({ tenantId, accountId }, message.request.messageId)).toHaveLength(1)
  expect(await reader.list({ tenantId, accountId }, { metadata: {}, limit: 10 })).toMatchObject({
    nextCursor: null,
  })
  const prepared = await pool.query('SELECT name FROM pg_prepared_statements')
  const settings = await pool.query(`SELECT current_setting('app.tenant_id', true) AS tenant,
    current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock`)
  expect(prepared.rows).toEqual([])
  expect(settings.rows).toEqual([{ tenant: '', statement: '0', lock: '0' }])
})

test('MIG-3.1 what is rolled back gets the answers of a real insertion, and leaves no row', async () => {
  const [tenantId, accountId] = [randomUUID(), requestExample.accountId]
  const message = messageOf(tenantId)
  expect(await store.insert([message], { rollBack: true })).toEqual(['stored'])
  const reader = messageReader(connectDatabase(pool, LIMITS, createInstruments(new Metrics())))
  expect(await reader.list({ tenantId, accountId }, { metadata: {}, limit: 10 })).toMatchObject({
    messages: [],
  })
  expect(await store.storedReplies(tenantId, [message.claim?.hash ?? ''])).toEqual(new Map())
  expect(await store.insert([message])).toEqual(['stored'])
  expect(await store.insert([message], { rollBack: true })).toEqual(['taken'])
})

test('W9 a transaction over several tenants keeps each in its own scope', async () => {
  const tenants = Array.from({ length: 8 }, () => randomUUID())
  const messages = [...tenants, ...tenants].map((tenantId) => messageOf(tenantId))
  expect(await messageStoreOf().insert(messages)).toEqual(messages.map(() => 'stored'))
  const reader = messageReader(connectDatabase(pool, LIMITS, createInstruments(new Metrics())))
  for (const tenantId of tenants) {
    const { messages: own } = await reader.list(
      { tenantId, accountId: requestExample.accountId },
      { metadata: {}, limit: 10 },
    )
    const expected = messages.filter(({ request }) => request.tenantId === tenantId)
    expect(new Set(own.map(({ messageId }) => messageId))).toEqual(
      new Set(expected.map(({ request }) => request.messageId)),
    )
  }
})

test('fault A14: of a group one fails alone, for a value, and for a key that somebody else holds', async () => {
  const rival = openPool(database.url, LIMITS, silentLogger)
  const several = openPool(database.urlAs('orch_svc'), { ...LIMITS, connectionsMax: 4 }, silentLogger)
  const plain = messageStore(connectDatabase(several, LIMITS, createInstruments(new Metrics())))
  const grouped = groupCommit({ store: plain, sleep: async () => {} })
  const client = await rival.connect()
  const tenantId = randomUUID()
  const held = messageOf(tenantId)
  await client.query('BEGIN')
  await client.query(
    `INSERT INTO orch.idempotency_keys VALUES ($1, $2, $2, $2, 'x', '{}', now(), now() + '1 day')`,
    [held.claim?.hash, tenantId],
  )
  const good = Array.from({ length: 3 }, () => messageOf(randomUUID()))
  const bad = messageOf(randomUUID(), { segmentCount: 0 })
  const first = good.slice(0, 2).map((message) => grouped.insert([message]))
  const broken = grouped.insert([bad])
  await expect(broken).rejects.toMatchObject({ code: '23514' })
  expect((await Promise.all(first)).flat()).toEqual(['stored', 'stored'])
  const waiting = grouped.insert([held])
  const beside = grouped.insert([good[2] ?? held])
  expect(await beside).toEqual(['stored'])
  await client.query('COMMIT')
  client.release()
  expect(await waiting).toEqual(['taken'])
  await Promise.all([rival.end(), several.end()])
})

const messageStoreOf = () => messageStore(connectDatabase(pool, LIMITS, createInstruments(new Metrics())))
