import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commandExample } from '../../streams/contracts/examples.ts'
import type { DispatchCommand } from '../../streams/contracts/outbound.ts'
import { decodeGsm7, decodeUcs2 } from '../../streams/domain/message/gsm7.ts'
import { decodePdu, encodePdu } from '../smpp/pdu.ts'
import { operatorProfile } from '../../streams/contracts/operator-profile.ts'
import type { PduFields } from '../smpp/pdu.ts'
import { addressFields, contentOf, planOf, segmentsOf } from './encode.ts'

const command = (change: Partial<DispatchCommand>): DispatchCommand => ({ ...commandExample, ...change })

interface Encoded {
  readonly index: number
  readonly total: number
  readonly content: PduFields
}
const encoded = (
  given: DispatchCommand,
  profile: Parameters<typeof operatorProfile>[0] = {},
  reference = 7,
): readonly Encoded[] => {
  const { charset, refBits } = operatorProfile(profile)
  return segmentsOf(planOf(given, { charset, refBits }), reference).map((segment) => {
    const content = contentOf(segment, charset)
    if (content === undefined) throw new Error('no content')
    return { index: segment.index, total: segment.total, content }
  })
}
const octetsOf = ({ content }: Encoded): Buffer => {
  const octets = content['message_payload'] ?? content['short_message']
  if (!Buffer.isBuffer(octets)) throw new Error('no octets')
  return octets
}
const addressing = operatorProfile()
const NOW = Date.parse('2026-04-18T08:20:35.500Z')

describe('CON-5.1 encoding', () => {
  it.each([
    ['a'.repeat(160), 8, 1, 0x00],
    ['a'.repeat(161), 8, 2, 0x00],
    ['a'.repeat(306), 8, 2, 0x00],
    ['a'.repeat(306), 16, 3, 0x00],
    ['€'.repeat(80), 8, 1, 0x00],
    [`${'a'.repeat(152)}€${'a'.repeat(152)}`, 8, 3, 0x00],
    ['я'.repeat(70), 8, 1, 0x08],
    ['я'.repeat(134), 8, 2, 0x08],
    ['я'.repeat(134), 16, 3, 0x08],
    ['😀'.repeat(36), 8, 2, 0x08],
    [`${'я'.repeat(66)}😀${'я'.repeat(66)}`, 8, 3, 0x08],
    [`${'a'.repeat(70)}ç`, 8, 2, 0x08],
  ] as const)('%#: parts and data_coding follow the text alone', (body, refBits, parts, dataCoding) => {
    const segments = encoded(command({ body, encoding: 'GSM7' }), { refBits })
    expect(segments.map((segment) => [segment.index, segment.total])).toEqual(
      Array.from({ length: parts }, (_, at) => [at + 1, parts]),
    )
    for (const { content } of segments) expect(content['data_coding']).toBe(dataCoding)
  })

  it('a part carries its header, the same reference whenever the command comes, and at most 140 octets', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '€', '@', 'я', '😀', '\n'),
      minLength: 1,
      maxLength: 500,
    })
    fc.assert(
      fc.property(text, fc.constantFrom(8 as const, 16 as const), (body, refBits) => {
        const segments = encoded(command({ body }), { refBits })
        const headerBytes = refBits === 8 ? 6 : 7
        const texts = segments.map((segment) => {
          const octets = octetsOf(segment)
          const isGsm = segment.content['data_coding'] === 0
          const skipped = segments.length === 1 ? 0 : headerBytes
          const septetBytes = skipped + Math.ceil(((octets.length - skipped) * 7) / 8)
          expect(isGsm ? septetBytes : octets.length).toBeLessThanOrEqual(140)
          const place = skipped === 0 ? [1, 1] : [...octets.subarray(skipped - 2, skipped)]
          expect(place).toEqual([segments.length, segment.index])
          return (isGsm ? decodeGsm7 : decodeUcs2)(octets.subarray(skipped))
        })
        expect(texts.join('')).toBe(body)
        for (const { content } of segments) {
          const fields = { ...content, ...addressFields(command({ body }), addressing, NOW) }
          expect(decodePdu(encodePdu('submit_sm', 1, fields)).ok).toBe(true)
        }
        expect(encoded(command({ body }), { refBits })).toEqual(segments)
      }),
    )
  })

  it('the header is 05 00 03 or 06 08 04 with the reference of the message [EN5]', () => {
    const long = command({ body: 'a'.repeat(200) })
    const headerOf = (refBits: 8 | 16, reference: number): string[] =>
      encoded(long, { refBits }, reference).map((segment) =>
        octetsOf(segment)
          .subarray(0, refBits === 8 ? 6 : 7)
          .toString('hex'),
      )
    expect(headerOf(8, 0xe7)).toEqual(['050003e70201', '050003e70202'])
    expect(headerOf(16, 0xb1e7)).toEqual(['060804b1e70201', '060804b1e70202'])
    expect(encoded(long)[0]?.content['esm_class']).toBe(0x40)
  })

  it('FLASH_SMS sets message class 0 in both alphabets', () => {
    for (const [body, dataCoding] of [
      ['hello', 0x10],
      ['привет', 0x18],
    ] as const) {
      const [segment] = encoded(command({ body, messageType: 'FLASH_SMS' }))
      expect(segment?.content['data_coding']).toBe(dataCoding)
    }
  })

  it('TLV puts a long text into message_payload as one PDU, and a short one into short_message', () => {
    const segments = encoded(command({ body: 'a'.repeat(400), longMessageStrategy: 'TLV' }))
    expect(segments).toMatchObject([{ index: 1, total: 1 }])
    expect(segments[0]?.content['short_message']).toEqual(Buffer.alloc(0))
    expect(segments[0]?.content['message_payload']).toHaveLength(400)
    const short = encoded(command({ longMessageStrategy: 'TLV' }))[0]?.content
    expect(short?.['message_payload']).toBeUndefined()
  })
})

describe('CON-5.1 addresses', () => {
  it.each([
    ['GHASI', 5, 0, 'GHASI'],
    ['+447700900000', 1, 1, '447700900000'],
    ['4711', 3, 0, '4711'],
  ])('sender %s has TON %i and NPI %i', (from, ton, npi, address) => {
    const fields = addressFields(command({ from, to: '+447700900123' }), addressing, NOW)
    expect(fields).toMatchObject({
      source_addr_ton: ton,
      source_addr_npi: npi,
      dest_addr_ton: 1,
      dest_addr_npi: 1,
    })
    expect(fields?.['source_addr']).toEqual(Buffer.from(address))
    expect(fields?.['destination_addr']).toBe('447700900123')
  })

  it('validity_period is sent only where the operator wants it, absolute and in UTC', () => {
    const given = command({ expiresAt: '2026-04-20T10:23:40.000Z' })
    expect(addressFields(given, addressing, NOW)?.['validity_period']).toBeUndefined()
    expect(addressFields(given, { ...addressing, sendValidity: true }, NOW)?.['validity_period']).toBe(
      '260420102340000+',
    )
  })
})

const plain = (charset: 'gsm7' | 'latin1' | 'ascii', body: string): unknown => {
  const [segment] = encoded(command({ body }), { charset })
  return [segment?.content['data_coding'], segment && octetsOf(segment).toString('hex')]
}

it('a validity in relative form is the span that is left, and never none', () => {
  const relative = operatorProfile({ sendValidity: true, validityFormat: 'relative' })
  const periodAt = (expiresAt: string): unknown =>
    addressFields(command({ expiresAt }), relative, NOW)?.['validity_period']
  expect(periodAt('2026-04-20T10:23:40.500Z')).toBe('000002020305000R')
  expect(periodAt('2026-04-18T08:20:35.600Z')).toBe('000000000001000R')
})

describe('CON-5.1 fault G4: data_coding 0 means what the operator says it means', () => {
  it.each([
    ['gsm7', 'a@£', [0, '610001']],
    ['latin1', 'a@£', [0, '6140a3']],
    ['ascii', 'a@{', [0, '61407b']],
    // A table that does not hold the text leaves UCS-2.
    ['ascii', 'a£', [8, '006100a3']],
    ['latin1', 'aΩ€', [8, '006103a920ac']],
    // In Latin-1 but not in GSM 03.38: the phone could not show it.
    ['latin1', 'aç', [8, '006100e7']],
  ] as const)('%s: %s', (charset, body, expected) => {
    expect(plain(charset, body)).toEqual(expected)
  })

  it.each([
    ['gsm7', 'ΩMEGA', '154d454741'],
    ['gsm7', 'A_B', '411142'],
    ['latin1', 'A_B', '415f42'],
    ['latin1', 'CAFÉ', '434146c9'],
    ['latin1', 'a@b', '614062'],
  ] as const)('%s: the sender %s has the octets of the table', (charset, from, hex) => {
    const fields = addressFields(command({ from }), { ...addressing, charset }, NOW)
    expect(fields?.['source_addr']).toEqual(Buffer.from(hex, 'hex'))
  })

  it.each([
    ['latin1', 'ΩMEGA'],
    ['ascii', 'CAFÉ'],
    ['gsm7', 'ЖУК'],
    // Septet 0 would end the address after its first letter.
    ['gsm7', 'A@B'],
  ] as const)('%s: the sender %s is refused and not turned into other letters', (charset, from) => {
    expect(addressFields(command({ from }), { ...addressing, charset }, NOW)).toBeUndefined()
  })

  it('a part that another operator carries is written by its table, or not at all', () => {
    const [short] = segmentsOf(planOf(command({ body: '€5' }), operatorProfile()), 0)
    expect(short && contentOf(short, 'latin1')).toMatchObject({ data_coding: 8 })
    const [long] = segmentsOf(planOf(command({ body: '€'.repeat(100) }), operatorProfile()), 0)
    expect(long && contentOf(long, 'latin1')).toBeUndefined()
  })
})
