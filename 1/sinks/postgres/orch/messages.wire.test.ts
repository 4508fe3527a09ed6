import { randomUUID } from 'node:crypto'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deadLetterExample, statusExample } from '../../../streams/contracts/examples.ts'
import type { StatusEvent } from '../../../streams/contracts/outbound.ts'
import type { DlrRecord, MessageOutcome } from '../../../streams/contracts/receipts.ts'
import { OUTCOMES, type MessageStatus } from '../../../streams/domain/statuses.ts'
import { insertMessage, openScene, receiptExample, type Scene } from '../../testing/scene.suite.ts'
import { insertDeadLetters } from './dead-letters.ts'
import { writeDlrRecords } from '../dlr/dlr-records.ts'
import { writeStatuses } from './messages.ts'
import { inTransaction } from '../pool.ts'
import { problemOf } from './problem.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene('messages')
})
afterAll(() => scene.close())

const secondsLater = (seconds: number): string =>
  new Date(Date.parse('2026-04-18T10:23:40.000Z') + seconds * 1000).toISOString()

const statusOf = (messageId: string, seq: number, newStatus: MessageStatus): StatusEvent => ({
  ...statusExample,
  messageId,
  eventId: randomUUID(),
  seq,
  newStatus,
  occurredAt: secondsLater(seq),
  attemptCount: seq % 4,
  routeId: `rt-${seq}`,
  ...(['FAILED', 'DEAD_LETTER'].includes(newStatus) && {
    error: { code: 'max_attempts', detail: `try ${seq}` },
  }),
})

const closing = (messageId: string, status: MessageOutcome['status'], at = secondsLater(90)): DlrRecord => ({
  schemaVersion: '1.0',
  kind: 'PARTIAL_TIMEOUT',
  messageId,
  tenantId: statusExample.tenantId,
  accountId: statusExample.accountId,
  enqueuedAt: statusExample.enqueuedAt,
  eventId: randomUUID(),
  occurredAt: at,
  received: 1,
  expected: 1,
  at,
  messageOutcome: { status, at, received: 1, expected: 1 },
})

const newMessage = async (): Promise<string> => {
  const messageId = randomUUID()
  await insertMessage(scene, { ...statusExample, messageId })
  return messageId
}

/** Everything that a sink writes but updated_at, which only says when it wrote. */
const rowOf = async (messageId: string) =>
  (
    await scene.rows(
      `SELECT status, status_seq, attempt_count, operator_id, route_id, last_error, status_updated_at, processed_at,
         dlr_status, dlr_received_at FROM orch.sms_messages WHERE message_id = $1`,
      [messageId],
    )
  )[0]

const writeEvents = (events: readonly StatusEvent[]) => writeStatuses(scene.as('orch_sink'), events)
const writeRecords = (records: readonly DlrRecord[]) =>
  inTransaction(scene.as('dlr_svc'), (client) => writeDlrRecords(client, records))

describe('status events', () => {
  it('set what the newest of them says', async () => {
    const messageId = await newMessage()
    await writeEvents([statusOf(messageId, 2, 'ROUTING'), statusOf(messageId, 3, 'ROUTED')])
    await writeEvents([statusOf(messageId, 4, 'SENT')])
    expect(await rowOf(messageId)).toEqual({
      status: 'SENT',
      status_seq: 4,
      attempt_count: 0,
      operator_id: statusExample.operatorId,
      route_id: 'rt-4',
      last_error: null,
      status_updated_at: new Date(secondsLater(4)),
      processed_at: new Date(secondsLater(4)),
      dlr_status: null,
      dlr_received_at: null,
    })
  })

  it('DAT-13 leave the last error as a problem', async () => {
    const messageId = await newMessage()
    const failed = statusOf(messageId, 3, 'FAILED')
    await writeEvents([failed])
    const row = await rowOf(messageId)
    expect(row?.['last_error']).toEqual(problemOf({ code: 'max_attempts', detail: 'try 3' }, failed.eventId))
    expect(row?.['processed_at']).toEqual(new Date(failed.occurredAt))
  })

  it('change nothing the second time, not even updated_at', async () => {
    const messageId = await newMessage()
    const events = [statusOf(messageId, 2, 'ROUTING'), statusOf(messageId, 3, 'ROUTED')]
    expect(await writeEvents(events)).toBe(1)
    expect(await writeEvents(events)).toBe(0)
    expect(await writeEvents(events.slice(0, 1))).toBe(0)
  })

  it('of a message without a row are no fault', async () => {
    expect(await writeEvents([statusOf(randomUUID(), 2, 'ROUTING')])).toBe(0)
  })

  it('DLR-004.3 DLR-004.4 give the same row in any order, any batches and any number of times, together with the outcome', async () => {
    const property = fc.asyncProperty(
      life,
      orders,
      fc.integer({ min: 1, max: 4 }),
      async (lived, order, batchSize) => {
        const messageId = await newMessage()
        const { facts, row } = historyOf(messageId, lived)
        // Any repetition first, then every fact once, so that none is missing.
        const sequence = [...order.map((index) => index % facts.length), ...facts.keys()]
        await deliver(
          sequence.flatMap((index) => facts[index] ?? []),
          batchSize,
        )
        expect(await rowOf(messageId)).toEqual(row)
      },
    )
    await fc.assert(property, { numRuns: 60 })
  })

  it('DLR-004.3 two sinks that write the same messages at the same time lose nothing', async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, newMessage))
    const rounds = [2, 3, 4].map((seq) =>
      writeEventsUntilDone(ids.map((id) => statusOf(id, seq, seq === 4 ? 'SENT' : 'ROUTING'))),
    )
    const closings = ids.toReversed().map((id) => closing(id, 'DELIVERED'))
    await Promise.all([...rounds, untilDone(() => writeRecords(closings))])
    const wrong = await scene.rows(
      `SELECT message_id FROM orch.sms_messages WHERE message_id = ANY($1)
         AND NOT (status = 'DELIVERED' AND dlr_status = 'DELIVERED' AND status_seq = 4)`,
      [ids],
    )
    expect(wrong).toEqual([])
  })
})

const life = fc.record({
  before: fc.constantFrom<readonly MessageStatus[]>(
    ['ROUTING', 'ROUTED', 'SENT'],
    ['ROUTING', 'ROUTING', 'ROUTED', 'SENT'],
    ['ROUTING', 'DEAD_LETTER', 'ROUTING', 'ROUTED', 'SENT'],
  ),
  outcome: fc.option(fc.constantFrom(...OUTCOMES), { nil: undefined }),
  /** Whether the topology's last status event has come as well. */
  told: fc.boolean(),
})
const orders = fc.array(fc.nat({ max: 6 }), { minLength: 7, maxLength: 16 })

interface Life {
  readonly before: readonly MessageStatus[]
  readonly outcome: MessageOutcome['status'] | undefined
  readonly told: boolean
}

/** All facts about one message in order, and the row that they must give. */
function historyOf(messageId: string, { before, outcome, told }: Life) {
  const statuses = [...before, ...(outcome !== undefined && told ? [outcome] : [])]
  const events = statuses.map((status, index) => statusOf(messageId, index + 2, status))
  const seq = statuses.length + 1
  const newest = events.at(-1) ?? statusOf(messageId, 1, 'QUEUED')
  const closed = outcome === undefined ? null : new Date(secondsLater(90))
  const row = {
    status: outcome ?? 'SENT',
    status_seq: seq,
    attempt_count: newest.attemptCount,
    operator_id: statusExample.operatorId,
    route_id: newest.routeId,
    last_error: newest.error === undefined ? null : problemOf(newest.error, newest.eventId),
    status_updated_at: new Date(newest.occurredAt),
    processed_at: closed ?? new Date(newest.occurredAt),
    dlr_status: outcome ?? null,
    dlr_received_at: closed,
  }
  const facts: readonly (StatusEvent | DlrRecord)[] = [
    ...events,
    ...(outcome === undefined ? [] : [closing(messageId, outcome)]),
  ]
  return { facts, row }
}

/** As consume does: a deadlock victim is given the batch again. */
async function untilDone(work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await work()
      return
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === '40P01')) throw error
    }
  }
}

const writeEventsUntilDone = (events: readonly StatusEvent[]) => untilDone(() => writeEvents(events))

/** Hands facts to the sink that each belongs to, in batches of neighbours. */
async function deliver(facts: readonly (StatusEvent | DlrRecord)[], batchSize: number): Promise<void> {
  for (let at = 0; at < facts.length; at += batchSize) {
    const batch = facts.slice(at, at + batchSize)
    await writeEvents(batch.filter((fact) => 'newStatus' in fact))
    await writeRecords(batch.filter((fact) => 'kind' in fact))
  }
}

const { messageOutcome: _, ...stillOpen } = receiptExample
const receiptOf = (
  messageId: string,
  dlrStatus: 'DELIVERED' | 'UNKNOWN',
  messageOutcome?: MessageOutcome,
): DlrRecord => ({
  ...stillOpen,
  messageId,
  receipt: { ...stillOpen.receipt, operatorMessageId: messageId, dlrStatus },
  ...(messageOutcome !== undefined && { messageOutcome }),
})

describe('delivery statuses', () => {
  it.each(['DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED', 'FAILED', 'PARTIAL'] as const)(
    'DLR-004.1 %s updates the four columns in the transaction of the receipt',
    async (status) => {
      const messageId = await newMessage()
      await writeEvents([statusOf(messageId, 4, 'SENT')])
      const at = secondsLater(20)
      await writeRecords([receiptOf(messageId, 'DELIVERED', { status, at, received: 1, expected: 1 })])
      expect(await rowOf(messageId)).toMatchObject({
        status,
        dlr_status: status,
        dlr_received_at: new Date(at),
        processed_at: new Date(at),
        status_seq: 4,
      })
      const together = await scene.rows(
        `SELECT r.xmin = m.xmin AS same FROM dlr.delivery_receipts r
         JOIN orch.sms_messages m USING (message_id) WHERE message_id = $1`,
        [messageId],
      )
      expect(together).toEqual([{ same: true }])
    },
  )

  it('DLR-004.2 UNKNOWN leaves the row alone', async () => {
    const messageId = await newMessage()
    const before = await rowOf(messageId)
    await writeRecords([receiptOf(messageId, 'UNKNOWN')])
    expect(await rowOf(messageId)).toEqual(before)
  })

  it.each(['DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED', 'FAILED', 'PARTIAL'] as const)(
    'DLR-004.3 a row that is %s is never overwritten by another outcome, nor by the same one at another time',
    async (first) => {
      const messageId = await newMessage()
      await writeRecords([closing(messageId, first)])
      const before = await rowOf(messageId)
      for (const later of OUTCOMES) await writeRecords([closing(messageId, later, secondsLater(99))])
      expect(await rowOf(messageId)).toEqual(before)
    },
  )

  it('DLR-004.3 a message that could never be sent stays FAILED', async () => {
    const messageId = await newMessage()
    await writeEvents([statusOf(messageId, 2, 'FAILED')])
    await writeRecords([closing(messageId, 'DELIVERED')])
    expect(await rowOf(messageId)).toMatchObject({ status: 'FAILED', dlr_status: null })
  })
})

describe('dead letters', () => {
  it('keep the whole event, once', async () => {
    const write = () => insertDeadLetters(scene.as('orch_sink'), [deadLetterExample, deadLetterExample])
    expect([await write(), await write()]).toEqual([1, 0])
    expect(
      await scene.rows(
        `SELECT dead_letter_id, reason, attempt_count, payload, replayed_at FROM orch.dead_letters`,
      ),
    ).toEqual([
      {
        dead_letter_id: deadLetterExample.eventId,
        reason: 'max_attempts',
        attempt_count: 3,
        payload: deadLetterExample,
        replayed_at: null,
      },
    ])
  })
})
