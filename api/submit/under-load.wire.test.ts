import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { sleep } from '../../streams/platform/backoff.ts'
import { SubmitReply } from './idempotency.ts'
import type { Answer } from '../testing/call.suite.ts'
import { goodBody, startRealApi, type RealApi } from '../testing/real-api.suite.ts'
import { until } from '../testing/until.suite.ts'

/** What a backend does while clients are submitting, not between two submits. */

let api: RealApi
beforeAll(async () => {
  api = await startRealApi()
})
afterAll(() => api.close())

const CLIENTS = 4
/** Between two submits of a client: what comes of them is looked at one by one. */
const PAUSE_MS = 50
interface Sent {
  readonly key: string
  readonly answer: Answer
}
/** Resolves when so many more answers have come. */
type More = (answers: number) => Promise<void>

/** Clients that submit one after the other until `during` is over; every answer of theirs. */
async function underLoad(during: (more: More) => Promise<void>): Promise<readonly Sent[]> {
  const sent: Sent[] = []
  const load = { isOver: false }
  const client = async (): Promise<void> => {
    while (!load.isOver) {
      const key = randomUUID()
      sent.push({ key, answer: await api.send(goodBody, { 'Idempotency-Key': key }) })
      await sleep(PAUSE_MS)
    }
  }
  const more: More = (answers) => {
    const from = sent.length
    return until(() => sent.length >= from + answers)
  }
  const clients = Promise.all(Array.from({ length: CLIENTS }, client))
  try {
    await more(2 * CLIENTS)
    await during(more)
    // Some that know nothing of the trouble.
    await more(2 * CLIENTS)
  } finally {
    load.isOver = true
    await clients
  }
  return sent
}

/** One after the other, as the clients themselves. */
async function repeated(sent: readonly Sent[]): Promise<readonly Sent[]> {
  const again: Sent[] = []
  for (const { key } of sent)
    again.push({ key, answer: await api.send(goodBody, { 'Idempotency-Key': key }) })
  return again
}

const idOf = ({ answer }: Sent) => SubmitReply.parse(answer.json).messageId
const statusesOf = (sent: readonly Sent[]) =>
  [...new Set(sent.map(({ answer }) => answer.status))].toSorted((a, b) => a - b)
const texts = (all: readonly Sent[]) => all.map(({ answer }) => answer.text)
const Detail = z.object({ details: z.record(z.string(), z.string()) })
const isUp = async (name: string, is = true) =>
  (Detail.parse((await api.call('/ready')).json).details[name] === 'up') === is

/** Of this file's messages; the stream and the tables are its own. */
const publishedIds = async () => (await api.published()).map(({ headers }) => headers['X-Correlation-ID'])
const outboxIsEmpty = async () => (await api.sql.query('SELECT FROM orch.outbox')).rowCount === 0

test('ORC-1.11 Redis stopped: no client notices', async () => {
  const sent = await underLoad(async (more) => {
    await api.cuts.redis.cut()
    await more(4 * CLIENTS)
    await api.cuts.redis.mend()
    await until(() => isUp('redis'))
  })
  expect(statusesOf(sent)).toEqual([202])
  expect(texts(await repeated(sent))).toEqual(texts(sent))
})

test('ORC-1.11 Postgres stopped: 503 with Retry-After, nothing half done', async () => {
  const sent = await underLoad(async (more) => {
    await api.cuts.postgres.cut()
    await more(4 * CLIENTS)
    await api.cuts.postgres.mend()
    await until(async () => (await api.send(goodBody)).status === 202)
  })
  expect(statusesOf(sent)).toEqual([202, 503])
  const refused = sent.filter(({ answer }) => answer.status === 503)
  expect([...new Set(refused.map(({ answer }) => answer.headers['retry-after']))]).toEqual(['5'])
  // A client that repeats what was refused gets one message for it, also when the commit had
  // happened and only its answer was lost.
  const again = await repeated(refused)
  expect(statusesOf(again)).toEqual([202])
  await until(outboxIsEmpty)
  const halves = await api.sql.query(
    `SELECT FROM orch.sms_messages AS message FULL JOIN orch.idempotency_keys AS key USING (message_id)
     WHERE (message.message_id IS NULL OR key.message_id IS NULL) AND message.idempotency_hash IS NOT NULL`,
  )
  expect(halves.rowCount).toBe(0)
  const { rows } = await api.sql.query('SELECT message_id FROM orch.sms_messages')
  const stored = z.array(z.object({ message_id: z.string() })).parse(rows)
  const published = await publishedIds()
  expect(published).toHaveLength(stored.length)
  expect(new Set(published)).toEqual(new Set(stored.map((row) => row.message_id)))
  const accepted = [...sent.filter(({ answer }) => answer.status === 202), ...again].map(idOf)
  expect(new Set(accepted).size).toBe(accepted.length)
  expect(accepted.filter((id) => !published.includes(id))).toEqual([])
})

test('ORC-1.7 NATS stopped 60 s under load: all 202, all leave afterwards, none twice', async () => {
  const sent = await underLoad(async (more) => {
    await api.cuts.nats.cut()
    await until(() => isUp('nats', false))
    await more(4 * CLIENTS)
    // The platform's clock; the relay's waits are over, and it has looked while NATS was away.
    for (let second = 0; second < 60; second += 10) {
      api.advance(10_000)
      await more(CLIENTS)
    }
    await api.cuts.nats.mend()
    await until(() => isUp('nats'))
  })
  expect(statusesOf(sent)).toEqual([202])
  await until(outboxIsEmpty)
  const published = await publishedIds()
  expect(sent.map(idOf).filter((id) => !published.includes(id))).toEqual([])
  expect(new Set(published).size).toBe(published.length)
})

test('fault S2 clock three months ahead: submits go on', async () => {
  const today = new Date(api.now())
  const ahead = Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + 3, 1) - api.now()
  api.advance(ahead)
  const key = { 'Idempotency-Key': randomUUID() }
  const first = await api.send(goodBody, key)
  const replayed = await api.send(goodBody, key)
  const ready = await api.call('/ready')
  api.advance(-ahead)
  expect([first.status, ready.status]).toEqual([202, 200])
  expect(replayed.text).toBe(first.text)
  expect((await api.send(goodBody)).status).toBe(202)
  await until(outboxIsEmpty)
  expect(await publishedIds()).toContain(SubmitReply.parse(first.json).messageId)
})
