import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { z } from 'zod'
import { encode } from '../../../streams/contracts/decode.ts'
import { submitResults } from '../../../streams/contracts/outbound.ts'
import { segmentFacts, sentSegments } from '../../../streams/contracts/receipts.ts'
import type { Topic } from '../../../streams/contracts/topic.ts'
import { groupLag } from '../../../streams/log/group-positions.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import type { LogClient, OutRecord } from '../../../streams/log/port.ts'
import { groupOf } from '../../../streams/runtime/task/names.ts'
import { APP } from '../../../topologies/all.ts'
import { acceptedOf, expectedOf, type SentMessage } from './receipts-messages.ts'

export interface Scene {
  readonly log: LogClient
  readonly sql: Pool
  readonly partitions: number
}

const WRITTEN_AT_ONCE = 5_000
const LOOK_MS = 500

/** Brings messages to where their receipts are awaited: rows, aggregates, submissions. */
export async function bringToSent(scene: Scene, messages: readonly SentMessage[]): Promise<void> {
  for (let at = 0; at < messages.length; at += WRITTEN_AT_ONCE) {
    const some = messages.slice(at, at + WRITTEN_AT_ONCE)
    await insertRows(scene.sql, some)
    await writeFacts(scene, some)
  }
  await untilRead(scene)
}

async function insertRows(sql: Pool, messages: readonly SentMessage[]): Promise<void> {
  const list = <K extends keyof SentMessage>(field: K): readonly SentMessage[K][] =>
    messages.map((message) => message[field])
  await sql.query(
    `INSERT INTO orch.sms_messages (message_id, tenant_id, account_id, to_msisdn, from_sender, body, segment_count,
       message_type, encoding, status, status_seq, operator_id, enqueued_at, status_updated_at, expires_at)
     SELECT id, tenant, account, receiver, 'GHASI', 'Your code is 4711', 1, 'SMS', 'GSM7', 'SENT', 4, operator,
       enqueued, enqueued, enqueued + interval '48 hours'
     FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[])
       AS m (id, tenant, account, receiver, operator, enqueued)`,
    [
      list('messageId'),
      list('tenantId'),
      list('accountId'),
      list('to'),
      list('operatorId'),
      messages.map(({ atMs }) => new Date(atMs)),
    ],
  )
}

async function writeFacts({ log, partitions }: Scene, messages: readonly SentMessage[]): Promise<void> {
  const recordOf = <V>(topic: Topic<V>, value: V, timestamp: number): OutRecord => {
    const key = topic.key(value)
    const partition = partitionOf(key, partitions)
    return {
      topic: topic.name,
      partition,
      key,
      value: encode(value),
      timestamp,
      headers: topic.headers(value),
    }
  }
  const writer = log.writer()
  await writer.write(
    messages.flatMap((message) => [
      recordOf(segmentFacts, expectedOf(message), message.atMs),
      recordOf(submitResults, acceptedOf(message), message.atMs),
    ]),
  )
  await writer.close()
}

const READERS = [
  ['segments', [segmentFacts.name, submitResults.name]],
  ['correlate', [sentSegments.name]],
] as const

async function untilRead({ log, sql }: Scene): Promise<void> {
  for (;;) {
    const lags = await Promise.all(
      READERS.map(([topology, topics]) => groupLag(log.admin, groupOf(APP, topology), topics)),
    )
    const left = lags.flatMap((lag) => [...lag.values()]).reduce((sum, records) => sum + records, 0)
    if (left === 0 && (await correlations(sql)) > 0) return
    await sleep(LOOK_MS)
  }
}

async function correlations(sql: Pool): Promise<number> {
  const { rows } = await sql.query('SELECT count(*)::int AS n FROM smpp.message_correlations')
  return z.array(z.object({ n: z.number() })).parse(rows)[0]?.n ?? 0
}
