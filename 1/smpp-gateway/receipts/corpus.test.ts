import { describe, expect, it } from 'vitest'
import { encodeUcs2 } from '../../streams/domain/message/gsm7.ts'
import { decodePdu, encodePdu, type Pdu, type PduFields } from '../smpp/pdu.ts'
import { isReceipt, readReceipt } from './receipt.ts'
import { CONTEXT, pduOf } from './testing/mutations.suite.ts'
import { REAL, VARIANTS, type Sample } from './testing/samples.suite.ts'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

/** How one and the same text may travel. */
const CARRIERS: Readonly<Record<string, (text: string) => PduFields>> = {
  'short_message, esm_class 0x04': (text) => ({ esm_class: 0x04, short_message: latin1(text) }),
  'an intermediate receipt, 0x20': (text) => ({ esm_class: 0x20, short_message: latin1(text) }),
  'both bits, 0x24': (text) => ({ esm_class: 0x24, short_message: latin1(text) }),
  message_payload: (text) => ({ esm_class: 0x04, message_payload: latin1(text) }),
  'message_payload with NUL at its end': (text) => ({
    esm_class: 0x04,
    message_payload: latin1(`${text}\0`),
  }),
  'UTF-16BE under data_coding 8': (text) => ({
    esm_class: 4,
    data_coding: 8,
    message_payload: encodeUcs2(text),
  }),
  'UTF-16BE under data_coding 0': (text) => ({ esm_class: 4, message_payload: encodeUcs2(text) }),
  'UTF-16LE under data_coding 8': (text) => ({
    esm_class: 4,
    data_coding: 8,
    message_payload: Buffer.from(text, 'utf16le'),
  }),
  'ASCII under data_coding 8': (text) => ({ esm_class: 4, data_coding: 8, short_message: latin1(text) }),
  'a user data header': (text) => ({
    esm_class: 0x44,
    message_payload: Buffer.concat([Buffer.from([5, 0, 3, 1, 1, 1]), latin1(text)]),
  }),
  'the bit of a header without one': (text) => ({ esm_class: 0x44, short_message: latin1(text) }),
  'blanks at both ends': (text) => ({ esm_class: 4, short_message: latin1(` ${text}   `) }),
}

const received = (command: string, fields: PduFields): Pdu => pduOf(encodePdu(command, 7, fields))

/** Those of printable ASCII, which every carrier can hold, and with an id. */
const LEGIBLE: readonly Sample[] = [...REAL, ...VARIANTS].filter(
  ([text, { id }]) => id !== undefined && /^[\x20-\x7e]*$/.test(text),
)

describe('the corpus of receipts', () => {
  it.each(Object.entries(CARRIERS))('is read alike in %s, by deliver_sm and by data_sm', (_, fieldsOf) => {
    for (const [text, expected] of LEGIBLE) {
      if (latin1(text).length > 250) continue
      for (const command of ['deliver_sm', 'data_sm']) {
        const fields = fieldsOf(text)
        if (command === 'data_sm' && fields['short_message'] !== undefined) continue
        const pdu = received(command, fields)
        expect(isReceipt(pdu)).toBe(true)
        const { operatorMessageId, stat, errorCode } = readReceipt(pdu, CONTEXT)
        const found = [operatorMessageId, stat, errorCode]
        expect(found).toEqual([expected['id'], expected['stat'] ?? '', expected['err']])
      }
    }
  })

  it('[R11] a data_sm with parameters only is a receipt, whatever short text stands beside them', () => {
    const tlvs = { receipted_message_id: '362d9701', message_state: 2 }
    for (const pdu of [
      received('data_sm', tlvs),
      received('deliver_sm', { ...tlvs, short_message: latin1('362d9701 2') }),
    ]) {
      expect(isReceipt(pdu)).toBe(true)
      expect(readReceipt(pdu, CONTEXT)).toMatchObject({ operatorMessageId: '362d9701', stat: 'DELIVRD' })
    }
  })

  it.each([
    [
      '6aad5',
      'id:0000436949 submit date:1504211508 done date:1504211508 stat:DELIVRD err:000\0',
      '0000436949',
    ],
    ['18d0e03a', 'id:0416342074 stat:DELIVRD err:000 text:\x84A\x89O', '0416342074'],
  ])('keeps both ids of a receipt that writes its id in two ways: %s', (tlv, text, id) => {
    const pdu = received('deliver_sm', {
      esm_class: 4,
      receipted_message_id: tlv,
      message_payload: latin1(text),
    })
    expect(readReceipt(pdu, CONTEXT)).toMatchObject({ operatorMessageId: tlv, alternateIds: [id] })
    expect(readReceipt(pdu, { ...CONTEXT, source: 'text' })).toMatchObject({ operatorMessageId: id })
    expect(readReceipt(pdu, { ...CONTEXT, source: 'text' })).not.toHaveProperty('alternateIds')
  })

  it('[R13] believes the parameters alone, or the text alone, where the profile says so', () => {
    const pdu = received('deliver_sm', {
      esm_class: 4,
      receipted_message_id: 'A1',
      message_state: 5,
      short_message: latin1('id:B2 sub:001 stat:DELIVRD err:000'),
    })
    const read = (source: 'both' | 'tlv' | 'text') => readReceipt(pdu, { ...CONTEXT, source })
    expect(read('both')).toMatchObject({ operatorMessageId: 'A1', alternateIds: ['B2'], stat: 'UNDELIV' })
    expect(read('tlv')).toMatchObject({ operatorMessageId: 'A1', stat: 'UNDELIV' })
    expect(read('text')).toMatchObject({ operatorMessageId: 'B2', stat: 'DELIVRD' })
    expect(read('tlv')).not.toHaveProperty('alternateIds')
  })

  it('a network_error_code of three ASCII digits is one', () => {
    const fields = { esm_class: 4, receipted_message_id: '1', message_state: 5 }
    const pdu = received('deliver_sm', { ...fields, network_error_code: Buffer.from('000') })
    expect(readReceipt(pdu, CONTEXT).errorCode).toBe('000')
  })

  it('65,535 blanks before one letter are read at once: work grows with the length and not its square', () => {
    const padded = `id:1 stat:DELIVRD${' '.repeat(65_000)}x`
    const frame = encodePdu('deliver_sm', 1, { esm_class: 4, message_payload: latin1(padded) })
    const read = decodePdu(frame)
    if (!read.ok) throw new Error(read.reason)
    expect(readReceipt(read.pdu, CONTEXT)).toMatchObject({ operatorMessageId: '1', stat: 'DELIVRD' })
  }, 2_000)
})
