import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decode, encode } from '../../streams/contracts/decode.ts'
import { inboundReceipts } from '../../streams/contracts/receipts.ts'
import { encodeUcs2 } from '../../streams/domain/message/gsm7.ts'
import type { Pdu } from '../smpp/pdu.ts'
import { isReceipt, readReceipt } from './receipt.ts'

const context = {
  operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
  receivedAt: '2026-04-18T10:23:46.120Z',
  timeZone: 'UTC',
  session: 'session-1',
  source: 'both' as const,
}
const TEXT = 'id:17 sub:001 dlvrd:001 submit date:2604181020 done date:2604181023 stat:DELIVRD err:000 text:x'

const deliver = (fields: Pdu['fields'], tlvs: readonly (readonly [number, Buffer])[] = []): Pdu => ({
  command: 'deliver_sm',
  status: 0,
  sequence: 1,
  fields: {
    source_addr_ton: 1,
    source_addr: '447700900123',
    destination_addr: 'GHASI',
    esm_class: 4,
    data_coding: 0,
    ...fields,
  },
  tlvs: new Map(tlvs),
})
const text = (value: string): Pdu['fields'] => ({ short_message: Buffer.from(value, 'latin1') })

const nameless = (sequence: number, body: string, session = 'session-1'): string =>
  readReceipt({ ...deliver(text(body)), sequence }, { ...context, session }).eventId

describe('CON-5.8 receipts', () => {
  it('[R1] tells receipts from other messages by esm_class, TLVs or a strict text', () => {
    expect(isReceipt(deliver({}))).toBe(true)
    expect(isReceipt(deliver({ esm_class: 0x44 }))).toBe(true)
    expect(isReceipt(deliver({ esm_class: 0 }))).toBe(false)
    expect(isReceipt(deliver({ esm_class: 0x08 }))).toBe(false)
    expect(isReceipt(deliver({ esm_class: 0 }, [[0x001e, Buffer.from('1')]]))).toBe(true)
  })

  it.each([0x20, 0x24, 0x0c])('fault G13: esm_class 0x%s is a receipt', (esm_class) => {
    expect(isReceipt(deliver({ esm_class }))).toBe(true)
  })

  it('fault G13: a receipt that says so only by its text or its state is one', () => {
    expect(isReceipt(deliver({ ...text(TEXT), esm_class: 0 }))).toBe(true)
    expect(isReceipt(deliver({ esm_class: 0 }, [[0x0427, Buffer.from([2])]]))).toBe(true)
    expect(isReceipt(deliver({ ...text('STOP id:1'), esm_class: 0 }))).toBe(false)
  })

  it('fault G14: receipts without an id in one millisecond each have an event id of their own', () => {
    const ids = [
      nameless(1, 'stat:DELIVRD err:000'),
      nameless(2, 'stat:DELIVRD err:000'),
      nameless(1, 'stat:DELIVRD err:001'),
      nameless(1, 'stat:DELIVRD err:000', 'session-2'),
    ]
    expect(new Set(ids).size).toBe(4)
    expect(nameless(1, 'stat:DELIVRD err:000')).toBe(ids[0])
  })

  it('[R2] keeps the id of the text beside that of the TLV when it is another one', () => {
    const event = readReceipt(deliver(text(TEXT), [[0x001e, Buffer.from('11\0')]]), context)
    expect(event).toMatchObject({ operatorMessageId: '11', alternateIds: ['17'] })
    expect(decode(inboundReceipts, Buffer.from(encode(event)))).toMatchObject({ ok: true })
    const same = readReceipt(deliver(text(TEXT), [[0x001e, Buffer.from('17')]]), context)
    expect(same).not.toHaveProperty('alternateIds')
  })

  it('fault G19: reads a text without the header that its bit announces, and the text of either field', () => {
    expect(readReceipt(deliver({ ...text(TEXT), esm_class: 0x44 }), context)).toMatchObject({
      operatorMessageId: '17',
      stat: 'DELIVRD',
    })
    const both = deliver({ short_message: Buffer.from('see payload') }, [[0x0424, Buffer.from(TEXT)]])
    expect(readReceipt(both, context)).toMatchObject({ operatorMessageId: '17', stat: 'DELIVRD' })
  })

  it.each([
    ['two octets', Buffer.from([0, 5])],
    ['an ASCII digit', Buffer.from('5')],
  ])('fault G19: reads a message_state of %s', (_, value) => {
    const pdu = deliver({}, [
      [0x001e, Buffer.from('1')],
      [0x0427, value],
    ])
    expect(readReceipt(pdu, context).stat).toBe('UNDELIV')
  })

  it('makes an event that fits its contract, with the same id for the same receipt', () => {
    const event = readReceipt(deliver(text(TEXT)), context)
    expect(decode(inboundReceipts, Buffer.from(encode(event)))).toMatchObject({ ok: true })
    expect(event).toMatchObject({
      operatorId: context.operatorId,
      operatorMessageId: '17',
      stat: 'DELIVRD',
      errorCode: '000',
      deliveredAt: '2026-04-18T10:23:00.000Z',
      destAddr: '+447700900123',
      sourceAddr: 'GHASI',
    })
    expect(readReceipt(deliver(text(TEXT)), context).eventId).toBe(event.eventId)
  })

  it('[R2] prefers the TLVs, exactly as written, over the text', () => {
    const tlvs = [
      [0x001e, Buffer.from('6aad5\0')],
      [0x0427, Buffer.from([5])],
      [0x0423, Buffer.from([3, 0, 11])],
    ] as const
    expect(readReceipt(deliver(text(TEXT), tlvs), context)).toMatchObject({
      operatorMessageId: '6aad5',
      stat: 'UNDELIV',
      errorCode: '000',
    })
    const withoutText = readReceipt(deliver({ short_message: Buffer.alloc(0) }, tlvs), context)
    expect(withoutText).toMatchObject({ operatorMessageId: '6aad5', errorCode: '011', deliveredAt: null })
  })

  it.each([
    [1, 'ENROUTE'],
    [2, 'DELIVRD'],
    [3, 'EXPIRED'],
    [4, 'DELETED'],
    [5, 'UNDELIV'],
    [6, 'ACCEPTD'],
    [7, 'UNKNOWN'],
    [8, 'REJECTD'],
  ])('R2 message_state %i is %s', (state, word) => {
    const pdu = deliver({}, [
      [0x001e, Buffer.from('1')],
      [0x0427, Buffer.from([state])],
    ])
    expect(readReceipt(pdu, context).stat).toBe(word)
  })

  it('[R5] reads message_payload, skips a user data header, and honours UCS-2', () => {
    const payload = deliver({ short_message: Buffer.alloc(0) }, [[0x0424, Buffer.from(`${TEXT}\0`)]])
    expect(readReceipt(payload, context).operatorMessageId).toBe('17')
    const withHeader = deliver({
      esm_class: 0x44,
      short_message: Buffer.concat([Buffer.from([5, 0, 3, 1, 1, 1]), Buffer.from(TEXT)]),
    })
    expect(readReceipt(withHeader, context).stat).toBe('DELIVRD')
    const ucs2 = deliver({ data_coding: 8, short_message: encodeUcs2(TEXT) })
    expect(readReceipt(ucs2, context).operatorMessageId).toBe('17')
  })

  it('[R7] keeps a receipt without id with all its content, in a form that the next reader refuses', () => {
    const event = readReceipt(deliver(text('stat:DELIVRD err:000')), context)
    expect(event.operatorMessageId).toBe('')
    expect(event.rawPayload).toMatchObject({ text: 'stat:DELIVRD err:000' })
    expect(decode(inboundReceipts, Buffer.from(encode(event)))).toMatchObject({ ok: false, reason: 'schema' })
  })

  it('makes an event of anything at all: one strange receipt must not end the process', () => {
    const octets = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes))
    const key = fc.constantFrom('id:', 'stat:', 'done date:', 'err:', 'text:', ' ', '\0', '9', 'A', '@')
    const texts = fc.array(key, { maxLength: 30 }).map((parts) => Buffer.from(parts.join(''), 'latin1'))
    const tags = fc.constantFrom(0x001e, 0x0423, 0x0424, 0x0427, 0x1400)
    const tlvs = fc.array(fc.tuple(tags, octets), { maxLength: 5 })
    fc.assert(
      fc.property(
        fc.oneof(octets, texts),
        fc.nat(255),
        fc.nat(255),
        tlvs,
        (short_message, esm, coding, given) => {
          const pdu = deliver({ short_message, esm_class: esm, data_coding: coding }, given)
          expect(readReceipt(pdu, context).operatorId).toBe(context.operatorId)
        },
      ),
    )
  })

  it('an id or status that is too long does not pass for another one', () => {
    const event = readReceipt(deliver(text(`id:${'9'.repeat(80)} stat:DELIVRD`)), context)
    expect(decode(inboundReceipts, Buffer.from(encode(event)))).toMatchObject({ ok: false })
  })
})
