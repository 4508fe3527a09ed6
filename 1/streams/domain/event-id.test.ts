import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  aggregatedEventId,
  billingEventId,
  cancelEventId,
  commandEventId,
  deadLetterEventId,
  EVENT_NAMESPACE,
  eventIdOf,
  expectedFactEventId,
  healthEventId,
  lateRowId,
  lookupEventId,
  orphanRowId,
  quarantineRowId,
  receiptEventId,
  receiptFactEventId,
  receiptRowId,
  recordEventId,
  releasedReceiptEventId,
  requestEventId,
  retryEventId,
  sentEventId,
  statusEventId,
  submitResultEventId,
  topicDeadLetterId,
  unmatchedEventId,
  webhookEventId,
} from './event-id.ts'

const messageId = '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7'
const operatorId = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const operatorMessageId = 'OP-MSG-20240418-00123'
const unmatchedReceipt = receiptEventId({
  operatorId,
  operatorMessageId: 'OP-MSG-404',
  stat: 'UNDELIV',
  receivedAt: '2026-04-18T10:30:00.000Z',
})

/**
 * RFC 9562 section 5.5 step by step, on bytes: slow, and written apart from the code under test.
 */
function referenceUuidV5(namespace: string, name: string): string {
  const digest = createHash('sha1')
    .update(Buffer.concat([Buffer.from(namespace.replaceAll('-', ''), 'hex'), Buffer.from(name, 'utf8')]))
    .digest()
    .subarray(0, 16)
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x50, 6)
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8)
  return digest.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

describe('PLT-2 every example id of [SC1] to [SC12] comes out of its cause', () => {
  test.each([
    ['5.1 request', requestEventId(messageId), '71e6b2de-c54b-5149-bc4d-1925e4067659'],
    ['5.2 retry, seq 3', retryEventId(messageId, 3), 'a2e83961-c590-51d0-9e8f-59d04d292b86'],
    ['5.3 deadletter, seq 6', deadLetterEventId(messageId, 6), 'a28daaa7-56bd-52de-9c29-65b590fa074c'],
    ['5.4 status, seq 4', statusEventId(messageId, 4), '62ac2b3a-3e03-56aa-862d-fb31e98457bb'],
    ['5.5 command, SENT at seq 4', commandEventId(messageId, 4), '0b3bc664-d9fd-5e8c-93ae-346037be4cca'],
    [
      '5.6 submit result',
      submitResultEventId({ messageId, segmentIndex: 1, operatorId, outcome: 'ACCEPTED', operatorMessageId }),
      '1edd9314-cb88-57aa-9713-5b4a0d9e9554',
    ],
    [
      '5.7 receipt',
      receiptEventId({
        operatorId,
        operatorMessageId,
        stat: 'DELIVRD',
        receivedAt: '2026-04-18T10:23:46.120Z',
      }),
      '46952cda-2fc3-5669-93b4-73b8e602d2d0',
    ],
    [
      '5.7 dead letter',
      topicDeadLetterId('sms.dlr.inbound', 3, '4711'),
      '6e2ddc57-2690-5255-909c-3d4d98d6c2c3',
    ],
    ['5.8 aggregated', aggregatedEventId(messageId), '834997e6-a577-5c4b-af09-41dfae6e4a21'],
    ['5.9 orphanId', orphanRowId(unmatchedReceipt), 'ffa79c7b-3e23-5444-92b8-b65fa551f96a'],
    [
      '5.9 unmatched',
      unmatchedEventId(orphanRowId(unmatchedReceipt)),
      'a4c70081-ce75-5c51-b614-ad7297f68e0c',
    ],
    ['5.10 billing', billingEventId(messageId), '78057a90-b5b2-52b9-85b2-7f7394edc986'],
    ['5.11 webhook', webhookEventId(messageId, 'DELIVERED'), 'c0226b46-a155-571d-abfb-5f446602724b'],
    [
      '5.12 health',
      healthEventId({ operatorId, status: 'UNBOUND', occurredAt: '2026-04-18T11:00:00.000Z' }),
      '15bbaca0-d19b-57e3-ae26-874583c72b2a',
    ],
  ])('%s', (_example, id, expected) => {
    expect(id).toBe(expected)
  })
})

test('PLT-2 the namespace is itself the v5 id of events.sms.ghasi.io in the DNS namespace', () => {
  const dns = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
  expect(referenceUuidV5(dns, 'events.sms.ghasi.io')).toBe(EVENT_NAMESPACE)
})

const named = (name: string): string => referenceUuidV5(EVENT_NAMESPACE, name)

test('PLT-2 the ids that have no example follow the names of [EV61]', () => {
  expect(cancelEventId(messageId)).toBe(named(`cancel|${messageId}`))
  expect(releasedReceiptEventId(messageId)).toBe(named(`release|${messageId}`))
  expect(quarantineRowId(messageId)).toBe(named(`quarantine|${messageId}`))
  expect(lateRowId(messageId)).toBe(named(`late|${messageId}`))
  expect(receiptRowId(operatorId, '7', 'FAILED')).toBe(named(`receipt|${operatorId}|7|FAILED`))
  expect(submitResultEventId({ messageId, segmentIndex: 2, operatorId, outcome: 'REJECTED' })).toBe(
    named(`submit|${messageId}|2|${operatorId}|REJECTED|`),
  )
})

test('PLT-2 the log-only records keep the names that earlier records were given', () => {
  expect(lookupEventId(messageId)).toBe(named(`lookup|${messageId}`))
  expect(sentEventId(messageId)).toBe(named(`sent|${messageId}`))
  expect(expectedFactEventId(messageId, 4)).toBe(named(`expected|${messageId}|4`))
  expect(receiptFactEventId(messageId)).toBe(named(`fact|${messageId}`))
  expect(recordEventId('PARTIAL_TIMEOUT', messageId)).toBe(named(`record|PARTIAL_TIMEOUT|${messageId}`))
})

test('PLT-2 all records made from one receipt and one message have different ids', () => {
  const ids = [
    unmatchedReceipt,
    lookupEventId(unmatchedReceipt),
    receiptFactEventId(unmatchedReceipt),
    sentEventId(unmatchedReceipt),
    orphanRowId(unmatchedReceipt),
    quarantineRowId(unmatchedReceipt),
    lateRowId(unmatchedReceipt),
    recordEventId('RECEIPT', unmatchedReceipt),
    recordEventId('SEGMENT', unmatchedReceipt),
    recordEventId('ORPHAN', unmatchedReceipt),
    recordEventId('LATE', unmatchedReceipt),
    recordEventId('QUARANTINED', unmatchedReceipt),
    recordEventId('PARTIAL_TIMEOUT', messageId),
    expectedFactEventId(messageId, 4),
    commandEventId(messageId, 4),
    statusEventId(messageId, 4),
  ]
  expect(new Set(ids).size).toBe(ids.length)
})

test('PLT-2 any name, of any length and script, gives the id that RFC 9562 prescribes', () => {
  const names = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'binary', minLength: 100, maxLength: 700 }),
  )
  fc.assert(
    fc.property(names, (name) => {
      expect(eventIdOf(name)).toBe(referenceUuidV5(EVENT_NAMESPACE, name))
    }),
  )
})
