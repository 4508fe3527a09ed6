import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commandExample } from '../../streams/contracts/examples.ts'
import type { DispatchCommand } from '../../streams/contracts/outbound.ts'
import { decodeGsm7, decodeUcs2 } from '../../streams/domain/message/gsm7.ts'
import { decodePdu, encodePdu } from '../smpp/pdu.ts'
import { operatorProfile } from '../../streams/contracts/operator-profile.ts'
import { addressFields, segmentsOf, type Segment } from './encode.ts'

const command = (change: Partial<DispatchCommand>): DispatchCommand => ({ ...commandExample, ...change })
const octetsOf = ({ content }: Segment): Buffer => {
  const octets = content['message_payload'] ?? content['short_message']
  if (!Buffer.isBuffer(octets)) throw new Error('no octets')
  return octets
}
const addressing = operatorProfile()

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
    const segments = segmentsOf(command({ body, encoding: 'GSM7' }), refBits)
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
        const segments = segmentsOf(command({ body }), refBits)
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
          const fields = { ...content, ...addressFields(command({ body }), addressing) }
          expect(decodePdu(encodePdu('submit_sm', 1, fields)).ok).toBe(true)
        }
        expect(segmentsOf(command({ body }), refBits)).toEqual(segments)
      }),
    )
  })

  it('the header is 05 00 03 or 06 08 04 with the end of messageId as reference, as yet [EN6]', () => {
    const long = command({ body: 'a'.repeat(200), messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7' })
    const headerOf = (refBits: 8 | 16): string[] =>
      segmentsOf(long, refBits).map((segment) =>
        octetsOf(segment)
          .subarray(0, refBits === 8 ? 6 : 7)
          .toString('hex'),
      )
    expect(headerOf(8)).toEqual(['050003e70201', '050003e70202'])
    expect(headerOf(16)).toEqual(['060804b1e70201', '060804b1e70202'])
    expect(segmentsOf(long, 8)[0]?.content['esm_class']).toBe(0x40)
  })

  it('FLASH_SMS sets message class 0 in both alphabets', () => {
    for (const [body, dataCoding] of [
      ['hello', 0x10],
      ['привет', 0x18],
    ] as const) {
      const [segment] = segmentsOf(command({ body, messageType: 'FLASH_SMS' }), 8)
      expect(segment?.content['data_coding']).toBe(dataCoding)
    }
  })

  it('TLV puts a long text into message_payload as one PDU, and a short one into short_message', () => {
    const segments = segmentsOf(command({ body: 'a'.repeat(400), longMessageStrategy: 'TLV' }), 8)
    expect(segments).toMatchObject([{ index: 1, total: 1 }])
    expect(segments[0]?.content['short_message']).toEqual(Buffer.alloc(0))
    expect(segments[0]?.content['message_payload']).toHaveLength(400)
    const short = segmentsOf(command({ longMessageStrategy: 'TLV' }), 8)[0]?.content
    expect(short?.['message_payload']).toBeUndefined()
  })
})

describe('CON-5.1 addresses', () => {
  it.each([
    ['GHASI', 5, 0, 'GHASI'],
    ['+447700900000', 1, 1, '447700900000'],
    ['4711', 3, 0, '4711'],
  ])('sender %s has TON %i and NPI %i', (from, ton, npi, address) => {
    const fields = addressFields(command({ from, to: '+447700900123' }), addressing)
    expect(fields).toMatchObject({
      source_addr_ton: ton,
      source_addr_npi: npi,
      dest_addr_ton: 1,
      dest_addr_npi: 1,
    })
    expect(fields['source_addr']).toEqual(Buffer.from(address))
    expect(fields['destination_addr']).toBe('447700900123')
  })

  it('validity_period is sent only where the operator wants it, absolute and in UTC', () => {
    const given = command({ expiresAt: '2026-04-20T10:23:40.000Z' })
    expect(addressFields(given, addressing)['validity_period']).toBeUndefined()
    expect(addressFields(given, { ...addressing, sendValidity: true })['validity_period']).toBe(
      '260420102340000+',
    )
  })
})
