import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { encode } from '../../streams/contracts/decode.ts'
import { dlrRecords } from '../../streams/contracts/receipts.ts'
import { eventIdOf } from '../../streams/domain/event-id.ts'
import type { LogRecord } from '../../streams/log/port.ts'
import { unstoppable } from '../poison.ts'
import { openScene, receiptExample, silentHooks, type Scene } from '../testing/scene.suite.ts'
import { smppSink } from './sinks.ts'
import { SubmitResultsPending } from './submit-frontier.ts'

let scene: Scene
let aside: number[]
beforeAll(async () => {
  scene = await openScene('frontier')
  // What the contract lets pass, a table must take too. So it is made to refuse something.
  await scene.admin.query(
    `ALTER TABLE smpp.message_correlations ADD CONSTRAINT odd CHECK (operator_message_id <> 'odd' OR dlr_received_at IS NULL)`,
  )
})
afterAll(() => scene.close())
beforeEach(async () => {
  aside = []
  await scene.admin.query('TRUNCATE smpp.message_correlations')
})

const receiptOf = (name: string) => ({
  ...receiptExample,
  eventId: eventIdOf(name),
  messageId: eventIdOf(`message ${name}`),
  receipt: { ...receiptExample.receipt, operatorMessageId: name },
})

const submit = (name: string) =>
  scene.admin.query(
    `INSERT INTO smpp.message_correlations (message_id, operator_message_id, operator_id, destination, segment_index,
       total_segments, submitted_at, expires_at) VALUES ($1, $2, $3, '+447700900123', 1, 1, now(), now() + interval '1 day')`,
    [eventIdOf(`message ${name}`), name, receiptExample.receipt.operatorId],
  )

const batchOf = (...names: readonly string[]) => {
  const records = names.map(
    (name, offset): LogRecord => ({
      topic: dlrRecords.name,
      partition: 3,
      offset,
      timestamp: 0,
      key: null,
      value: Buffer.from(encode(receiptOf(name))),
      headers: {},
    }),
  )
  return { topic: dlrRecords.name, partition: 3, next: names.length, records }
}

/** The topic of the submit results grows with every look, as it does under traffic. */
function sinkAt(progress: { taken: number; end: number }) {
  const frontier = { end: async () => progress.end++, taken: async () => progress.taken }
  return unstoppable(smppSink(scene.as('smpp_svc'), silentHooks, frontier), {
    makeMonths: async () => {},
    putAside: async ({ offset }) => void aside.push(offset),
  })
}

const states = async () =>
  (
    await scene.rows('SELECT operator_message_id AS id, status FROM smpp.message_correlations ORDER BY 1')
  ).map(({ id, status }) => `${String(id)} ${String(status)}`)

describe('a batch with a record that no table takes, and with receipts whose rows will not come', () => {
  it('waits for the submit results of its time only, and puts the one aside once', async () => {
    await submit('odd')
    const progress = { taken: 4, end: 5 }
    const sink = sinkAt(progress)
    const batch = batchOf('a', 'odd', 'b', 'c')
    for (let look = 0; look < 3; look++)
      await expect(sink.handle(batch)).rejects.toThrow(SubmitResultsPending)
    await submit('c')
    progress.taken = 5
    await sink.handle(batch)
    expect(aside).toEqual([1])
    expect(await states()).toEqual(['c DLR_RECEIVED', 'odd SUBMITTED'])
  })

  it('is put aside once, also when a later part of the batch has to wait', async () => {
    await submit('odd')
    const progress = { taken: 4, end: 5 }
    const sink = sinkAt(progress)
    const batch = batchOf('odd', 'a')
    for (let look = 0; look < 3; look++)
      await expect(sink.handle(batch)).rejects.toThrow(SubmitResultsPending)
    expect(aside).toEqual([0])
    progress.taken = 5
    await sink.handle(batch)
    await sink.handle(batchOf('odd'))
    expect(aside).toEqual([0, 0])
  })
})
