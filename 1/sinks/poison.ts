import type { Pool } from 'pg'
import { z } from 'zod'
import { encode } from '../streams/contracts/decode.ts'
import { topicDeadLetter, type Undeliverable } from '../streams/contracts/dead-letter.ts'
import { deadLetterTopicOf } from '../streams/contracts/topic.ts'
import { partitionKey, type LogRecord, type LogWriter } from '../streams/log/port.ts'
import type { Batch } from '../streams/runtime/consume.ts'
import type { Observation } from './observe.ts'
import { StatementFailed } from './postgres/statement.ts'
import type { Sink } from './sink.ts'

/** What a sink does with a record that its tables cannot take [DB76], [DB77]. */
export interface Recourse {
  /** Makes the months of these instants that lack a partition, as far as they may be made. */
  readonly makeMonths: (instants: readonly string[]) => Promise<void>
  /** Resolves when the record is durable elsewhere: only then may the sink go on. */
  readonly putAside: (record: LogRecord, cause: StatementFailed) => Promise<void>
}

/**
 * A sink that never stands still for a record. What Postgres refuses for its values is found by
 * halving the batch, put aside, and the rest is stored; each half in a transaction of its own, in
 * log order. Any other failure goes on as it was: the batch comes again, and what was put aside of
 * it is not put aside once more.
 */
export function unstoppable(sink: Sink, recourse: Recourse): Sink {
  // Of the batches in hand only, so a partition holds no more than one batch here.
  const aside = new Map<string, Set<number>>()
  const putAside = async (record: LogRecord, cause: StatementFailed): Promise<void> => {
    const place = partitionKey(record)
    const done = aside.get(place) ?? new Set()
    if (done.has(record.offset)) return
    await recourse.putAside(record, cause)
    aside.set(place, done.add(record.offset))
  }
  return {
    ...sink,
    handle: async (batch) => {
      await store(sink, batch, { ...recourse, putAside })
      aside.delete(partitionKey(batch))
    },
  }
}

async function store(sink: Sink, batch: Batch, recourse: Recourse, asked = false): Promise<void> {
  try {
    await sink.handle(batch)
  } catch (error) {
    if (!(error instanceof StatementFailed) || !error.isPoison) throw error
    if (!error.lacksPartition || asked) return divide(sink, batch, recourse, error)
    await recourse.makeMonths(instantsIn(batch.records))
    // Also when it has made none: another partition may have had the same month made meanwhile.
    await store(sink, batch, recourse, true)
  }
}

async function divide(sink: Sink, batch: Batch, recourse: Recourse, cause: StatementFailed): Promise<void> {
  const [first, ...more] = batch.records
  if (first === undefined) throw cause
  if (more.length === 0) return recourse.putAside(first, cause)
  const middle = Math.ceil(batch.records.length / 2)
  await store(sink, { ...batch, records: batch.records.slice(0, middle) }, recourse)
  await store(sink, { ...batch, records: batch.records.slice(middle) }, recourse)
}

/** By these the tables are partitioned; of a record that is none of ours there are none. */
const Dated = z.object({
  enqueuedAt: z.string().optional(),
  receipt: z.object({ receivedAt: z.string() }).optional(),
})

const INSTANT = /^(?!0000)\d{4}-(0[1-9]|1[0-2])-/

const instantsIn = (records: readonly LogRecord[]): readonly string[] =>
  records.flatMap(({ value }) => {
    const read = Dated.safeParse(parsed(value))
    if (!read.success) return []
    return [read.data.enqueuedAt, read.data.receipt?.receivedAt].filter(
      (at): at is string => at !== undefined && INSTANT.test(at),
    )
  })

/** The sink has told of a record that is no JSON already. */
function parsed(value: Buffer | null): unknown {
  try {
    return JSON.parse((value ?? '').toString())
  } catch {
    return undefined
  }
}

/** One call a month, each in a transaction of its own: a month out of bounds spoils no other. */
export const monthMaker =
  (pool: Pool): Recourse['makeMonths'] =>
  async (instants) => {
    const months = new Set(instants.map((at) => `${at.slice(0, 7)}-01`))
    for (const month of months) await pool.query('SELECT orch.ensure_month($1::date)', [month])
  }

/** To `<topic>.deadletter`, under the same key and partition number, with reason `refused`. */
const deadLetterWriter =
  (writer: LogWriter, now: () => number): Recourse['putAside'] =>
  async ({ topic, partition, offset, key, value }, cause) => {
    const nowMs = now()
    const undeliverable: Undeliverable = {
      sourceTopic: topic,
      sourcePartition: partition,
      sourceOffset: String(offset),
      reason: 'refused',
      errors: [{ path: '', message: `${cause.operation}: SQLSTATE ${cause.code}` }],
      payload: value,
    }
    const dead = encode(topicDeadLetter(undeliverable, nowMs))
    await writer.write([
      { topic: deadLetterTopicOf(topic), partition, key, value: dead, timestamp: nowMs, headers: {} },
    ])
  }

export interface Means {
  readonly writer: LogWriter
  readonly now: () => number
  readonly observation: Pick<Observation, 'putAside'>
}

/** For one sink: writes the dead letter first, then says so. */
export const recourseOf =
  ({ writer, now, observation }: Means) =>
  (sinkName: string, makeMonths: Recourse['makeMonths'] = async () => {}): Recourse => {
    const write = deadLetterWriter(writer, now)
    return {
      makeMonths,
      putAside: async (record, cause) => {
        await write(record, cause)
        observation.putAside(sinkName, record, cause)
      },
    }
  }
