import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encode } from '../../../streams/contracts/decode.ts'
import { CORRELATION_HOURS } from '../../../streams/contracts/correlation-hours.ts'
import { submitResultExample } from '../../../streams/contracts/examples.ts'
import { submitResults, type SubmitResult } from '../../../streams/contracts/outbound.ts'
import { dlrRecords, type DlrRecord } from '../../../streams/contracts/receipts.ts'
import type { Topic } from '../../../streams/contracts/topic.ts'
import { eventIdOf } from '../../../streams/domain/event-id.ts'
import { openScene, receiptExample, silentHooks, type Scene } from '../../testing/scene.suite.ts'
import { smppSink } from '../sinks.ts'
import { SubmitResultsPending, type SubmitFrontier } from '../submit-frontier.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene('smpp')
})
afterAll(() => scene.close())
beforeEach(() => scene.admin.query('TRUNCATE smpp.message_correlations'))

const PARTITION = 0
const batchOf = <V>(topic: Topic<V>, values: readonly V[]) => ({
  topic: topic.name,
  partition: PARTITION,
  next: values.length,
  records: values.map((value, offset) => ({
    topic: topic.name,
    partition: PARTITION,
    offset,
    timestamp: 0,
    key: null,
    value: Buffer.from(encode(value)),
    headers: {},
  })),
})

/** A sink whose own progress in `smpp.submit.result` the test moves by hand. */
function sinkAt(progress: { end: number; taken: number } = { end: 0, taken: 0 }, hours?: number) {
  const frontier: SubmitFrontier = {
    end: () => Promise.resolve(progress.end),
    taken: () => Promise.resolve(progress.taken),
  }
  const { handle } = smppSink(scene.as('smpp_svc'), silentHooks, frontier, hours)
  return {
    submitted: (...results: readonly SubmitResult[]) => handle(batchOf(submitResults, results)),
    received: (...records: readonly DlrRecord[]) => handle(batchOf(dlrRecords, records)),
  }
}

const rows = () =>
  scene.rows(
    `SELECT message_id, operator_message_id, destination, segment_index, total_segments, submitted_at, expires_at,
       dlr_received_at, status FROM smpp.message_correlations ORDER BY operator_message_id`,
  )

const accepted = submitResultExample
const submittedRow = {
  message_id: accepted.messageId,
  operator_message_id: accepted.operatorMessageId,
  destination: accepted.to,
  segment_index: 1,
  total_segments: 1,
  submitted_at: new Date(accepted.submittedAt),
  expires_at: new Date(Date.parse(accepted.submittedAt) + CORRELATION_HOURS * 3_600_000),
  dlr_received_at: null,
  status: 'SUBMITTED',
}
const receivedRow = {
  ...submittedRow,
  dlr_received_at: new Date('2026-04-18T10:23:46.120Z'),
  status: 'DLR_RECEIVED',
}

describe('correlations', () => {
  it('hold accepted segments only, each once', async () => {
    const { submitted } = sinkAt()
    const { operatorMessageId: _, ...refused } = accepted
    await submitted(accepted, { ...refused, outcome: 'REJECTED', segmentIndex: 2 }, accepted)
    await submitted(accepted)
    expect(await rows()).toEqual([submittedRow])
  })

  it('are marked once by the first receipt', async () => {
    const { submitted, received } = sinkAt()
    await submitted(accepted)
    const second: DlrRecord = {
      ...receiptExample,
      eventId: eventIdOf('second'),
      receipt: { ...receiptExample.receipt, receivedAt: '2026-04-18T11:00:00.000Z', dlrStatus: 'UNKNOWN' },
    }
    await received(receiptExample, second)
    await received(second)
    expect(await rows()).toEqual([receivedRow])
  })

  it('are marked also when the receipt is taken before the submit result', async () => {
    const progress = { end: 5, taken: 4 }
    const { submitted, received } = sinkAt(progress)
    await expect(received(receiptExample)).rejects.toThrow(SubmitResultsPending)
    await expect(received(receiptExample)).rejects.toThrow(SubmitResultsPending)
    await submitted(accepted)
    Object.assign(progress, { end: 9, taken: 5 })
    await received(receiptExample)
    expect(await rows()).toEqual([receivedRow])
  })

  it('that do not exist hold a receipt up only until the submit results of its time have been taken', async () => {
    const progress = { end: 5, taken: 4 }
    const { received } = sinkAt(progress)
    await expect(received(receiptExample)).rejects.toThrow(SubmitResultsPending)
    Object.assign(progress, { end: 99, taken: 5 })
    await received(receiptExample)
    expect(await rows()).toEqual([])
  })

  it('are all marked when both topics are taken at the same time', async () => {
    const { submitted, received } = sinkAt({ end: 1, taken: 0 })
    const segments = Array.from({ length: 300 }, (_, index) => eventIdOf(`segment ${index}`))
    const results = segments.map((messageId) => ({ ...accepted, messageId, operatorMessageId: messageId }))
    const receipts = segments.map((messageId) => ({
      ...receiptExample,
      messageId,
      receipt: { ...receiptExample.receipt, operatorMessageId: messageId },
    }))
    const submitting = inBatches(results, 5, (batch) => submitted(...batch))
    await inBatches(receipts, 20, (batch) => untilMarked(() => received(...batch)))
    await submitting
    expect(new Set((await rows()).map(({ status }) => status))).toEqual(new Set(['DLR_RECEIVED']))
  })

  const reuse: SubmitResult = {
    ...accepted,
    eventId: eventIdOf('reuse'),
    messageId: eventIdOf('another message'),
    submittedAt: '2026-04-26T10:23:40.180Z',
  }

  it('give way to a reused operator id once its hours are over, and never to the older submission again', async () => {
    const { submitted, received } = sinkAt()
    await submitted(accepted)
    await received(receiptExample)
    await submitted(reuse)
    const [row] = await rows()
    expect(row).toMatchObject({ message_id: reuse.messageId, status: 'SUBMITTED', dlr_received_at: null })
    await submitted(accepted, reuse, accepted)
    expect(await rows()).toEqual([row])
  })

  it('are not marked by a receipt of the message that had the id before', async () => {
    const { submitted, received } = sinkAt()
    await submitted(accepted, reuse)
    await received(receiptExample).catch(() => {})
    expect(await rows()).toMatchObject([{ message_id: reuse.messageId, status: 'SUBMITTED' }])
  })

  it('[DB31] live for the configured hours after their submission', async () => {
    const { submitted } = sinkAt(undefined, 2)
    await submitted(accepted)
    expect(await rows()).toMatchObject([{ expires_at: new Date('2026-04-18T12:23:40.180Z') }])
  })

  it('are not given away within the hours that a receipt may take', async () => {
    const { submitted } = sinkAt()
    await submitted(accepted, { ...reuse, submittedAt: '2026-04-24T10:23:40.180Z' })
    expect(await rows()).toEqual([submittedRow])
  })
})

async function inBatches<T>(
  values: readonly T[],
  size: number,
  take: (batch: readonly T[]) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < values.length; at += size) await take(values.slice(at, at + size))
}

/** As consume does, without its pauses. */
async function untilMarked(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof SubmitResultsPending)) throw error
    }
  }
}
