import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Pool } from 'pg'
import { z } from 'zod'
import { decode } from '../../../streams/contracts/decode.ts'
import { statusEvents } from '../../../streams/contracts/outbound.ts'
import { aggregatedOutcomes, billingEvents, webhookEvents } from '../../../streams/contracts/outcomes.ts'
import type { Topic } from '../../../streams/contracts/topic.ts'
import { connectKafka } from '../../../streams/log/kafka.ts'
import type { LogClient } from '../../../streams/log/port.ts'
import type { Platform } from '../../local/platform.ts'
import type { Accepted } from './traffic.ts'
import type { Evidence, NatsRecord, OperatorSubmit } from './evidence.ts'

/**
 * What was there before a run: several runs may share a platform, and each is judged for itself.
 */
export interface Baseline {
  readonly messageIds: ReadonlySet<string>
  readonly journalLines: number
  readonly orphanRows: number
  readonly inDoubt: number
}

export async function baseline(platform: Platform): Promise<Baseline> {
  const { rows, orphanRows } = await fromPostgres(platform)
  return {
    messageIds: new Set(rows.map((row) => row.messageId)),
    journalLines: journalOf(platform).length,
    orphanRows,
    inDoubt: await inDoubtOf(platform),
  }
}

/**
 * Gathers the evidence of a run from outside: SQL, the topics, the streams, the operator's log, the
 * log files.
 */
export async function collect(
  platform: Platform,
  accepted: readonly Accepted[],
  before: Baseline,
): Promise<Evidence> {
  const [database, topics, nats, inDoubt] = await Promise.all([
    fromPostgres(platform),
    fromTopics(platform),
    fromNats(platform),
    inDoubtOf(platform),
  ])
  const mine = <T extends { readonly messageId: string }>(found: readonly T[]): T[] =>
    found.filter(({ messageId }) => !before.messageIds.has(messageId))
  return {
    ...database,
    orphanRows: database.orphanRows - before.orphanRows,
    rows: mine(database.rows),
    segmentRows: mine(database.segmentRows),
    aggregated: mine(topics.aggregated),
    billing: mine(topics.billing),
    statuses: mine(topics.statuses),
    webhooks: mine(topics.webhooks),
    nats: {
      commands: mine(nats.commands),
      billing: mine(nats.billing),
      webhooks: mine(nats.webhooks),
      statuses: mine(nats.statuses),
    },
    ...fromOperator(journalOf(platform).slice(before.journalLines)),
    // A gateway that was killed counts from zero again.
    inDoubt: inDoubt >= before.inDoubt ? inDoubt - before.inDoubt : inDoubt,
    leaks: leaksIn(platform, accepted),
  }
}

const Row = z.object({
  message_id: z.string(),
  status: z.string(),
  status_seq: z.number(),
  dlr_status: z.string().nullable(),
  segment_count: z.number(),
})
const SegmentRow = z.object({ message_id: z.string(), segment_index: z.number(), status: z.string() })

async function fromPostgres({ stack }: Platform) {
  const pool = new Pool({ connectionString: stack.databaseUrl, max: 2 })
  try {
    const select = async <T>(sql: string, shape: z.ZodType<T>): Promise<T[]> =>
      z.array(shape).parse((await pool.query(sql)).rows)
    const counted = async (table: string): Promise<number> => {
      const [row] = await select(`SELECT count(*)::int AS n FROM ${table}`, z.object({ n: z.number() }))
      return row?.n ?? 0
    }
    const rows = await select(
      'SELECT message_id, status, status_seq, dlr_status, segment_count FROM orch.sms_messages',
      Row,
    )
    const segments = await select(
      'SELECT message_id, segment_index, status FROM dlr.segment_dlrs',
      SegmentRow,
    )
    return {
      rows: rows.map((row) => ({
        messageId: row.message_id,
        status: row.status,
        statusSeq: row.status_seq,
        dlrStatus: row.dlr_status,
        segmentCount: row.segment_count,
      })),
      segmentRows: segments.map((row) => ({
        messageId: row.message_id,
        segmentIndex: row.segment_index,
        status: row.status,
      })),
      outboxRows: await counted('orch.outbox'),
      orphanRows: await counted('dlr.orphan_dlrs'),
    }
  } finally {
    await pool.end()
  }
}

async function fromTopics({ stack, partitions }: Platform) {
  const log = connectKafka({ brokers: stack.kafkaBrokers.split(','), clientId: 'demo-checker' })
  try {
    const webhooks = await readTopic(log, webhookEvents, partitions)
    return {
      aggregated: await readTopic(log, aggregatedOutcomes, partitions),
      billing: await readTopic(log, billingEvents, partitions),
      statuses: await readTopic(log, statusEvents, partitions),
      webhooks: webhooks.map((event) => ({ ...event, lastReceiptMs: lastReceiptOf(event.segments) })),
    }
  } finally {
    await log.close()
  }
}

function lastReceiptOf(segments: readonly { readonly receivedAt?: string }[]): number | undefined {
  const times = segments.flatMap(({ receivedAt }) =>
    receivedAt === undefined ? [] : [Date.parse(receivedAt)],
  )
  return times.length === 0 ? undefined : Math.max(...times)
}

const BYTES_MAX = 8 * 1024 * 1024

/** Everything that is committed on a topic. */
export async function readTopic<V>(log: LogClient, topic: Topic<V>, partitions: number): Promise<V[]> {
  const reader = log.reader()
  const values: V[] = []
  for (let partition = 0; partition < partitions; partition += 1) {
    for (let next = 0; ; ) {
      const read = await reader.read({ topic: topic.name, partition }, next, {
        bytesMax: BYTES_MAX,
        waitMs: 50,
      })
      for (const record of read.records) {
        const value = decode(topic, record.value)
        if (!value.ok)
          throw new Error(`${topic.name} ${partition}/${record.offset} cannot be read: ${value.reason}`)
        values.push(value.value)
      }
      next = Math.max(next, read.next)
      if (next >= read.end) break
    }
  }
  await reader.close()
  return values
}

async function fromNats({ stack }: Platform): Promise<Evidence['nats']> {
  const connection = await connect({ servers: stack.natsUrl })
  try {
    return {
      commands: await readStream(connection, 'SMPP_OUTBOUND'),
      billing: await readStream(connection, 'BILLING_EVENTS'),
      webhooks: await readStream(connection, 'WEBHOOK_EVENTS'),
      statuses: await readStream(connection, 'SMS_EVENTS'),
    }
  } finally {
    await connection.close()
  }
}

const Named = z.object({ eventId: z.string(), messageId: z.string() })
const FETCH_MAX = 500

/** A throw-away consumer over all that a stream keeps. */
async function readStream(connection: NatsConnection, stream: string): Promise<readonly NatsRecord[]> {
  const manager = await jetstreamManager(connection)
  const { name } = await manager.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.All,
    inactive_threshold: 60_000_000_000,
  })
  const consumer = await jetstream(connection).consumers.get(stream, name)
  const found: NatsRecord[] = []
  for (let left = (await consumer.info()).num_pending; left > 0; ) {
    for await (const message of await consumer.fetch({
      max_messages: Math.min(left, FETCH_MAX),
      expires: 5000,
    })) {
      left = message.info.pending
      const { eventId, messageId } = Named.parse(message.json())
      found.push({ eventId, messageId, storedMs: message.info.timestampNanos / 1_000_000 })
    }
  }
  await manager.consumers.delete(stream, name)
  return found
}

const Submit = z.object({
  kind: z.literal('submit'),
  destination: z.string(),
  text: z.string(),
  index: z.number(),
  total: z.number(),
  taken: z.boolean(),
  duplicate: z.boolean(),
})
const Joined = z.object({ kind: z.literal('message'), text: z.string() })

/** The operator's own journal on disk: complete, whatever became of the processes. */
export const journalOf = ({ runPath }: Platform): readonly string[] =>
  readFileSync(join(runPath, 'smsc-journal.ndjson'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')

function fromOperator(lines: readonly string[]): { submits: OperatorSubmit[]; texts: string[] } {
  const submits: OperatorSubmit[] = []
  const texts: string[] = []
  for (const line of lines) {
    const entry: unknown = JSON.parse(line)
    const submit = Submit.safeParse(entry)
    if (submit.success) submits.push({ ...submit.data, accepted: submit.data.taken })
    const joined = Joined.safeParse(entry)
    if (joined.success) texts.push(joined.data.text)
  }
  return { submits, texts }
}

async function inDoubtOf({ ports }: Platform): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${ports.gateway}/metrics`)
  const text = await response.text()
  const counts = [...text.matchAll(/^smpp_connector_in_doubt_total\{[^}]*\} (\d+)$/gm)]
  return counts.reduce((sum, match) => sum + Number(match[1]), 0)
}

const LEAKS_SHOWN_MAX = 5

/** Destinations and tokens of this run in any log file of a service (story DLR-011.2). */
export function leaksIn({ runPath }: Platform, accepted: readonly Accepted[]): string[] {
  const markers = new Set(accepted.flatMap(({ message }) => [message.to.slice(1), message.token]))
  return readdirSync(runPath)
    .filter((name) => name.endsWith('.log'))
    .flatMap((name) => {
      const text = readFileSync(join(runPath, name), 'utf8')
      const words = new Set(text.match(/\d{9,15}|#[0-9a-z.]+#/g))
      return [...words].some((word) => markers.has(word)) ? [name] : []
    })
    .slice(0, LEAKS_SHOWN_MAX)
}
