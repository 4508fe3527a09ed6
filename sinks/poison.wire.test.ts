import * as fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TopicDeadLetter } from '../streams/contracts/dead-letter.ts'
import { encode } from '../streams/contracts/decode.ts'
import { statusExample, submitResultExample } from '../streams/contracts/examples.ts'
import { statusEvents, submitResults } from '../streams/contracts/outbound.ts'
import { dlrRecords, type DlrRecord } from '../streams/contracts/receipts.ts'
import type { Topic } from '../streams/contracts/topic.ts'
import { eventIdOf } from '../streams/domain/event-id.ts'
import type { LogRecord, LogWriter, OutRecord } from '../streams/log/port.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { Metrics } from '../streams/platform/metrics.ts'
import { observe } from './observe.ts'
import { monthMaker, recourseOf, unstoppable } from './poison.ts'
import { dlrSink, orchSink, smppSink } from './postgres/sinks.ts'
import { StatementFailed } from './postgres/statement.ts'
import type { Sink } from './sink.ts'
import {
  ENQUEUED_AT,
  EXAMPLE_IDS,
  insertMessage,
  openScene,
  receiptExample,
  silentHooks,
  sqlState,
  type Scene,
} from './testing/scene.suite.ts'

let scene: Scene
let written: OutRecord[]
let lines: string[]
let metrics: Metrics
let isLogAway: boolean
beforeAll(async () => {
  scene = await openScene('poison')
  await insertMessage(scene)
  // What the contract lets pass, a table must take too. So it is made to refuse something.
  await scene.admin.query(
    `ALTER TABLE dlr.delivery_receipts ADD CONSTRAINT odd CHECK (operator_message_id NOT LIKE 'odd-%')`,
  )
})
afterAll(() => scene.close())
beforeEach(() => {
  written = []
  lines = []
  isLogAway = false
})

const writer: LogWriter = {
  write: async (records) => {
    if (isLogAway) throw new Error('the log is away')
    written.push(...records)
    return new Map()
  },
  close: async () => {},
}

function recourse(sinkName: string, makeMonths = monthMaker(scene.as('dlr_svc'))) {
  metrics = new Metrics()
  const destination = { write: (line: string) => void lines.push(line) }
  const observation = observe(
    metrics,
    createLogger({ service: 'sinks', level: 'info', destination }),
    Date.now,
  )
  return recourseOf({ writer, now: () => 0, observation })(sinkName, makeMonths)
}

const recordsOf = <V>(topic: Topic<V>, values: readonly V[]): LogRecord[] =>
  values.map((value, offset) => ({
    topic: topic.name,
    partition: 3,
    offset,
    timestamp: 0,
    key: Buffer.from(topic.key(value)),
    value: Buffer.from(encode(value)),
    headers: {},
  }))

const give = <V>(sink: Sink, topic: Topic<V>, ...values: readonly V[]) =>
  sink.handle({ topic: topic.name, partition: 3, next: values.length, records: recordsOf(topic, values) })

const dlr = () => unstoppable(dlrSink(scene.as('dlr_svc'), silentHooks), recourse('dlr'))
const deadLetters = () => written.map(({ value }) => TopicDeadLetter.parse(JSON.parse(String(value))))
const receiptOf = (name: string): DlrRecord => ({
  ...receiptExample,
  eventId: eventIdOf(name),
  receipt: { ...receiptExample.receipt, operatorMessageId: name },
})
const storedIds = async () =>
  (await scene.rows('SELECT operator_message_id AS id FROM dlr.delivery_receipts ORDER BY 1')).map(
    ({ id }) => id,
  )
const isMade = async (table: string) =>
  (await scene.rows('SELECT to_regclass($1) IS NOT NULL AS made', [table]))[0]?.['made']

/** The bounds of a month that may be made are counted from the database's own clock. */
function daysAgo(days: number) {
  const at = new Date(Date.now() - days * 86_400_000).toISOString()
  return { at, suffix: at.slice(0, 7).replace('-', ''), month: `${at.slice(0, 7)}-01` }
}

describe('fault S1: a sink never stands still for a record', () => {
  it('[DB77] finds the poison among good ones, puts it aside, and stores the others', async () => {
    const poison = receiptOf('odd-1')
    await give(dlr(), dlrRecords, receiptOf('a'), receiptOf('b'), poison, receiptOf('c'), receiptOf('d'))
    expect(await storedIds()).toEqual(['a', 'b', 'c', 'd'])
    expect(deadLetters()).toMatchObject([
      {
        sourceTopic: 'dlr.records',
        sourcePartition: 3,
        sourceOffset: '2',
        reason: 'refused',
        errors: [{ path: '', message: 'insert dlr.delivery_receipts: SQLSTATE 23514' }],
      },
    ])
    expect(written).toMatchObject([{ topic: 'dlr.records.deadletter', partition: 3 }])
    expect(Buffer.from(deadLetters()[0]?.payloadBase64 ?? '', 'base64').toString()).toBe(encode(poison))
    expect(lines.join('')).toContain('"event":"sink.dead_letter"')
    expect(lines.join('')).not.toContain('7700900123')
    expect(await metrics.registry.metrics()).toContain(
      'sink_dead_letters_total{sink="dlr",topic="dlr.records"} 1',
    )
  })

  it('[DB77] puts aside each of several, also when all of a batch are', async () => {
    const poison = [1, 2, 3].map((index) => receiptOf(`odd-${index}`))
    await give(dlr(), dlrRecords, ...poison)
    expect(deadLetters().map(({ sourceOffset }) => sourceOffset)).toEqual(['0', '1', '2'])
  })

  it('[DB76] makes the month of a receipt that is two years old at most, and keeps it', async () => {
    const { at: receivedAt, suffix } = daysAgo(365)
    const orphan: DlrRecord = {
      schemaVersion: '1.0',
      eventId: eventIdOf('old'),
      occurredAt: receivedAt,
      kind: 'ORPHAN',
      orphanId: eventIdOf('old orphan'),
      receipt: { ...receiptExample.receipt, receivedAt },
    }
    await give(dlr(), dlrRecords, orphan, receiptOf('beside'))
    expect(written).toEqual([])
    expect(await scene.rows('SELECT received_at FROM dlr.orphan_dlrs')).toEqual([
      { received_at: new Date(receivedAt) },
    ])
    expect(await isMade(`dlr.segment_dlrs_${suffix}`)).toBe(true)
    const secured = await scene.rows(
      `SELECT relrowsecurity AND relforcerowsecurity AS yes FROM pg_class WHERE oid = $1::regclass`,
      [`dlr.segment_dlrs_${suffix}`],
    )
    expect(secured).toEqual([{ yes: true }])
  })

  it('[DB76] keeps the only record of a batch whose month another partition has had made meanwhile', async () => {
    const { at: receivedAt } = daysAgo(400)
    const late: DlrRecord = {
      schemaVersion: '1.0',
      eventId: eventIdOf('raced'),
      occurredAt: receivedAt,
      kind: 'ORPHAN',
      orphanId: eventIdOf('raced orphan'),
      receipt: { ...receiptExample.receipt, receivedAt },
    }
    const make = monthMaker(scene.as('dlr_svc'))
    const second = async (instants: readonly string[]) => {
      await make(instants)
      return make(instants)
    }
    const sink = unstoppable(dlrSink(scene.as('dlr_svc'), silentHooks), recourse('dlr', second))
    await give(sink, dlrRecords, late)
    expect(written).toEqual([])
    const found = await scene.rows('SELECT FROM dlr.orphan_dlrs WHERE received_at = $1', [receivedAt])
    expect(found).toHaveLength(1)
  })

  it('[DB76] [F18] takes one of another age for poison, and goes on', async () => {
    const far = { ...receiptExample, messageId: eventIdOf('far'), enqueuedAt: '2001-01-01T00:00:00.000Z' }
    await give(dlr(), dlrRecords, far, receiptOf('after'))
    expect(deadLetters()).toMatchObject([{ sourceOffset: '0' }])
    expect(await storedIds()).toContain('after')
    expect(await isMade('dlr.delivery_receipts_200101')).toBe(false)
  })

  it('[DB76] keeps one whose month the archive has taken, and makes no month again that nobody writes', async () => {
    const { at: enqueuedAt, suffix, month } = daysAgo(500)
    for (const table of ['dlr.delivery_receipts', 'orch.sms_messages'])
      await scene.admin.query(
        `INSERT INTO orch.archive_runs (table_name, month, state) VALUES ($1, $2, 'DROPPED')`,
        [table, month],
      )
    await give(dlr(), dlrRecords, { ...receiptExample, enqueuedAt })
    expect(deadLetters()).toEqual([])
    const kept = await scene.rows(`SELECT FROM dlr.delivery_receipts WHERE enqueued_at = $1`, [enqueuedAt])
    expect(kept).toHaveLength(1)
    expect(await isMade(`orch.sms_messages_${suffix}`)).toBe(false)
  })

  it('waits when the dead letter cannot be written, and with anything that is not the fault of a record', async () => {
    isLogAway = true
    const poison = receiptOf('odd-2')
    await expect(give(dlr(), dlrRecords, poison)).rejects.toThrow('the log is away')
    isLogAway = false
    const denied = unstoppable(dlrSink(scene.as('orch_relay'), silentHooks), recourse('dlr'))
    await expect(give(denied, dlrRecords, receiptOf('denied'))).rejects.toBeInstanceOf(StatementFailed)
    expect(written).toEqual([])
  })

  it('holds for the other two sinks as well', async () => {
    await scene.admin.query(`ALTER TABLE orch.sms_messages ADD CONSTRAINT odd CHECK (route_id <> 'odd')`)
    await scene.admin.query(
      `ALTER TABLE smpp.message_correlations ADD CONSTRAINT odd CHECK (operator_message_id <> 'odd')`,
    )
    const orch = unstoppable(orchSink(scene.as('orch_sink'), silentHooks), recourse('orch'))
    await give(orch, statusEvents, { ...statusExample, seq: 8 }, { ...statusExample, seq: 9, routeId: 'odd' })
    expect(await scene.rows('SELECT status_seq FROM orch.sms_messages')).toEqual([{ status_seq: 8 }])
    const smpp = unstoppable(
      smppSink(scene.as('smpp_svc'), silentHooks, { end: async () => 0, taken: async () => 0 }),
      recourse('smpp'),
    )
    await give(smpp, submitResults, { ...submitResultExample, operatorMessageId: 'odd' }, submitResultExample)
    expect(await scene.rows('SELECT operator_message_id AS id FROM smpp.message_correlations')).toEqual([
      { id: submitResultExample.operatorMessageId },
    ])
    expect(written.map(({ topic }) => topic)).toEqual([
      'sms.events.status.deadletter',
      'smpp.submit.result.deadletter',
    ])
  })
})

const text = (max: number) =>
  fc.oneof(
    fc.string({ minLength: 1, maxLength: max }),
    fc.constantFrom('\u0000'.repeat(max), 'ж'.repeat(max)),
  )
const ids = { ...EXAMPLE_IDS, enqueuedAt: ENQUEUED_AT }

describe('[DB78] what the contracts let pass, the tables take', () => {
  const instants = fc.constantFrom(
    '0001-01-01T00:00:00.000Z',
    '9999-12-31T23:59:59.999Z',
    '2024-02-30T12:00:00.000Z',
  )
  const ordinals = fc.constantFrom(1, 255)
  const kinds = fc
    .record({ at: instants, other: instants, index: ordinals, id: text(64), stat: text(32), code: text(32) })
    .map(({ at, other, index, id, stat, code }): DlrRecord[] => {
      const eventId = eventIdOf(`${at}${other}${index}${id}${stat}`)
      const common = { schemaVersion: '1.0', eventId, occurredAt: at }
      const place = { segmentIndex: index, totalSegments: 255 }
      const receipt = {
        ...receiptExample.receipt,
        eventId,
        operatorMessageId: id,
        stat,
        errorCode: code,
        deliveredAt: other,
      }
      return [
        { ...receiptExample, ...place, eventId, correlatedAt: at, receipt },
        { ...common, kind: 'ORPHAN', orphanId: eventId, receipt },
        {
          ...common,
          ...ids,
          kind: 'LATE',
          lateId: eventId,
          segmentIndex: index,
          receipt,
          messageStatus: 'FAILED',
          terminalAt: at,
        },
        {
          ...common,
          ...ids,
          ...place,
          kind: 'QUARANTINED',
          quarantineId: eventId,
          receipt,
          terminalAt: other,
        },
        { ...common, ...ids, kind: 'PARTIAL_TIMEOUT', received: 0, expected: 255, at },
        {
          ...common,
          ...ids,
          ...place,
          kind: 'SEGMENT',
          operatorId: receipt.operatorId,
          status: 'REJECTED',
          at,
        },
      ]
    })

  it('for receipts of every kind', async () => {
    await fc.assert(
      fc.asyncProperty(kinds, async (records) => {
        await give(dlr(), dlrRecords, ...records)
        expect(deadLetters()).toEqual([])
      }),
      { numRuns: 40 },
    )
  }, 120_000)

  it('for states and submit results', async () => {
    const orch = unstoppable(orchSink(scene.as('orch_sink'), silentHooks), recourse('orch'))
    const status = { ...statusExample, seq: 2_147_483_647, occurredAt: '9999-12-31T23:59:59.999Z' }
    await give(orch, statusEvents, { ...status, error: { code: 'x'.repeat(500), detail: '\u0000' } })
    const smpp = unstoppable(
      smppSink(scene.as('smpp_svc'), silentHooks, { end: async () => 0, taken: async () => 0 }),
      recourse('smpp'),
    )
    const result = { ...submitResultExample, segmentIndex: 255, totalSegments: 255 }
    for (const submittedAt of ['0001-01-01T00:00:00.000Z', '9999-12-20T23:59:59.999Z'])
      await give(smpp, submitResults, { ...result, submittedAt, operatorMessageId: `x${submittedAt}` })
    expect(deadLetters()).toEqual([])
  })

  it.each([
    ['a year 0', { correlatedAt: '0000-01-01T00:00:00.000Z' }],
    ['an ordinal over 255', { segmentIndex: 256 }],
  ])('and %s is no contract', (_, change) => {
    expect(dlrRecords.schema.safeParse({ ...receiptExample, ...change }).success).toBe(false)
  })
})

describe('fault S3: nobody but migrator can hold up the making of months', () => {
  it('[DB76] a service may ask for a month and for nothing else', async () => {
    expect(await sqlState(scene.as('dlr_svc').query(`SELECT orch.ensure_month(now()::date)`))).toBeUndefined()
    for (const role of ['orch_svc', 'orch_sink', 'smpp_svc', 'admin_svc'])
      expect(await sqlState(scene.as(role).query(`SELECT orch.ensure_month(now()::date)`))).toBe('42501')
    for (const role of ['dlr_svc', 'orch_svc', 'orch_sink', 'orch_relay', 'smpp_svc', 'admin_svc'])
      expect(
        await sqlState(
          scene.as(role).query('DO $$ BEGIN LOCK TABLE orch.archive_runs IN ACCESS SHARE MODE; END $$'),
        ),
      ).toBe('42501')
  })
})
