import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, nanos, type NatsConnection } from '@nats-io/transport-node'
import { Pool } from 'pg'
import { z } from 'zod'
import { operatorQuality } from '../../../streams/contracts/operators.ts'
import { DUPLICATE_WINDOW_MS, OUTBOUND_MIRRORS } from '../../../streams/contracts/subjects.ts'
import { headerText, type LogClient } from '../../../streams/log/port.ts'
import { allTopologies } from '../../../topologies/all.ts'
import { committedRecords } from '../../committed-records.ts'
import type { Platform } from '../../local/platform.ts'

/**
 * What messages of the past have left in the world, as plain texts that can be compared: rows,
 * records, NATS messages, and what the operator was given. The past ends at an instant; a
 * repetition of it carries its times.
 */
export interface Traces {
  /** Rows of each table as JSON with sorted fields. */
  readonly tables: Readonly<Record<string, readonly string[]>>
  /** By topic: each different event with its bytes, however often it is there. */
  readonly events: Readonly<Record<string, readonly string[]>>
  /**
   * By stream: subject and event of each different message that is kept, however often it is there.
   */
  readonly nats: Readonly<Record<string, readonly string[]>>
  /** Each submit_sm that the operator took. */
  readonly submits: readonly string[]
}

export interface Repetitions {
  /** Records that repeat an earlier event and say so. */
  readonly marked: number
  /** Such records that do not say so. */
  readonly unmarked: readonly string[]
}

/** Messages of a NATS stream that repeat an earlier one, with `Replayed: true` and without. */
export interface Copies {
  readonly marked: number
  readonly unmarked: number
}

export interface Past {
  readonly untilMs: number
  /** Messages of the past: what is written later in their names counts too. */
  readonly messageIds: ReadonlySet<string>
}

export interface Witnessed {
  readonly traces: Traces
  readonly repetitions: Repetitions
  /** By stream. */
  readonly copies: Readonly<Record<string, Copies>>
}

export async function witness(platform: Platform, log: LogClient, past: Past): Promise<Witnessed> {
  const topics = await fromTopics(platform, log, past)
  const streams = await fromNats(platform, past)
  return {
    traces: {
      tables: await fromTables(platform, past),
      events: topics.events,
      nats: streams.messages,
      submits: submitsOf(platform),
    },
    repetitions: topics.repetitions,
    copies: streams.copies,
  }
}

/** Tables by the column that says when their row's cause happened. */
const TABLES = {
  'orch.sms_messages': 'enqueued_at',
  'orch.dead_letters': 'failed_at',
  'dlr.delivery_receipts': 'received_at',
  'dlr.segment_dlrs': 'received_at',
  'dlr.orphan_dlrs': 'received_at',
  'dlr.late_dlrs': 'received_at',
  'dlr.quarantined_dlrs': 'received_at',
  'smpp.message_correlations': 'submitted_at',
} as const

async function fromTables({ stack }: Platform, { untilMs }: Past): Promise<Traces['tables']> {
  const pool = new Pool({ connectionString: stack.databaseUrl, max: 1 })
  try {
    const tables: Record<string, string[]> = {}
    for (const [table, time] of Object.entries(TABLES)) {
      const sql = `SELECT to_jsonb(t)::text AS row FROM ${table} t WHERE ${time} < $1 ORDER BY 1`
      const { rows } = await pool.query(sql, [new Date(untilMs)])
      tables[table] = z
        .array(z.object({ row: z.string() }))
        .parse(rows)
        .map(({ row }) => row)
    }
    return tables
  } finally {
    await pool.end()
  }
}

export async function messageIdsOf({ stack }: Platform): Promise<ReadonlySet<string>> {
  const pool = new Pool({ connectionString: stack.databaseUrl, max: 1 })
  try {
    const { rows } = await pool.query('SELECT message_id FROM orch.sms_messages')
    return new Set(
      z
        .array(z.object({ message_id: z.string() }))
        .parse(rows)
        .map((row) => row.message_id),
    )
  } finally {
    await pool.end()
  }
}

/** But not what a timer tells of the last five minutes: that is no word about a message. */
const OUTPUTS = new Set(
  allTopologies({ rulesOf: () => ['exact'] })
    .flatMap((topology) => topology.outputs.map(({ name }) => name))
    .filter((name) => name !== operatorQuality.name),
)
const Event = z.object({ eventId: z.string(), messageId: z.string().nullish() })
interface Said {
  readonly eventId: string
  readonly text: string
  readonly isReplayed: boolean
}

/** What a topic holds of the past, in the order of each partition. */
async function pastOf(
  platform: Platform,
  log: LogClient,
  topic: string,
  past: Past,
): Promise<readonly Said[]> {
  const said: Said[] = []
  for (let partition = 0; partition < platform.partitions; partition += 1) {
    for await (const { value, timestamp, headers } of committedRecords(log, { topic, partition })) {
      const text = value?.toString('utf8') ?? ''
      const { eventId, messageId } = Event.parse(JSON.parse(text))
      if (timestamp >= past.untilMs && !past.messageIds.has(messageId ?? '')) continue
      said.push({ eventId, text, isReplayed: headerText(headers, 'replayed') === '1' })
    }
  }
  return said
}

async function fromTopics(
  platform: Platform,
  log: LogClient,
  past: Past,
): Promise<{ readonly events: Traces['events']; readonly repetitions: Repetitions }> {
  const events: Record<string, string[]> = {}
  const unmarked: string[] = []
  let marked = 0
  for (const topic of OUTPUTS) {
    const said = await pastOf(platform, log, topic, past)
    const ids = new Set<string>()
    for (const { eventId, isReplayed } of said) {
      if (ids.has(eventId) && isReplayed) marked += 1
      else if (ids.has(eventId)) unmarked.push(`${topic} ${eventId}`)
      ids.add(eventId)
    }
    events[topic] = [...new Set(said.map(({ text }) => text))].sort()
  }
  return { events, repetitions: { marked, unmarked } }
}

const STREAM_NAMES: ReadonlySet<string> = new Set(OUTBOUND_MIRRORS.map(({ stream }) => stream))

async function fromNats(
  { stack }: Platform,
  past: Past,
): Promise<{ readonly messages: Traces['nats']; readonly copies: Witnessed['copies'] }> {
  const connection = await connect({ servers: stack.natsUrl })
  try {
    const messages: Record<string, readonly string[]> = {}
    const copies: Record<string, Copies> = {}
    for (const stream of STREAM_NAMES) {
      const told = await readStream(connection, stream, past)
      const seen = new Set<string>()
      let [marked, unmarked] = [0, 0]
      for (const { name, isReplayed } of told) {
        if (seen.has(name) && isReplayed) marked += 1
        else if (seen.has(name)) unmarked += 1
        seen.add(name)
      }
      messages[stream] = [...seen].sort()
      copies[stream] = { marked, unmarked }
    }
    return { messages, copies }
  } finally {
    await connection.close()
  }
}

const FETCH_MAX = 500

interface Told {
  /** Subject and event. */
  readonly name: string
  readonly isReplayed: boolean
}

async function readStream(connection: NatsConnection, stream: string, past: Past): Promise<readonly Told[]> {
  const manager = await jetstreamManager(connection)
  const { name } = await manager.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.All,
    inactive_threshold: 60_000_000_000,
  })
  const consumer = await jetstream(connection).consumers.get(stream, name)
  const told: Told[] = []
  for (let left = (await consumer.info()).num_pending; left > 0; ) {
    const batch = await consumer.fetch({ max_messages: Math.min(left, FETCH_MAX), expires: 5000 })
    for await (const message of batch) {
      left = message.info.pending
      const { eventId, messageId } = Event.parse(message.json())
      const storedMs = message.info.timestampNanos / 1_000_000
      if (storedMs >= past.untilMs && !past.messageIds.has(messageId ?? '')) continue
      told.push({
        name: `${message.subject} ${eventId}`,
        isReplayed: message.headers?.get('Replayed') === 'true',
      })
    }
  }
  await manager.consumers.delete(stream, name)
  return told
}

const LEAST_WINDOW_MS = 100
const FORGET_MS = 1000

/**
 * Makes NATS forget which ids it has stored, as time would: an operator moves cursors hours later,
 * when the streams drop no repetition any more.
 */
export async function forgetMessageIds({ stack }: Platform): Promise<void> {
  const connection = await connect({ servers: stack.natsUrl })
  try {
    const { streams } = await jetstreamManager(connection)
    const setWindow = async (windowMs: number): Promise<void> => {
      for (const name of STREAM_NAMES) await streams.update(name, { duplicate_window: nanos(windowMs) })
    }
    await setWindow(LEAST_WINDOW_MS)
    await sleep(FORGET_MS)
    await setWindow(DUPLICATE_WINDOW_MS)
  } finally {
    await connection.close()
  }
}

const Submit = z.object({
  kind: z.literal('submit'),
  destination: z.string(),
  index: z.number(),
  total: z.number(),
  text: z.string(),
  taken: z.boolean(),
})

function submitsOf({ runPath }: Platform): string[] {
  const lines = readFileSync(join(runPath, 'smsc-journal.ndjson'), 'utf8').split('\n')
  return lines.flatMap((line) => {
    const submit = Submit.safeParse(line === '' ? undefined : JSON.parse(line))
    if (!submit.success || !submit.data.taken) return []
    const { destination, index, total, text } = submit.data
    return [`${destination} ${index}/${total} ${text}`]
  })
}
