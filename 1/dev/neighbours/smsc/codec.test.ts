import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBind, decodeShortMessage, encodeShortMessage, type ShortMessage } from './bodies.ts'
import { cString, encodeTlv, FieldReader } from './fields.ts'
import { COMMAND, encodePdu, Framer, PDU_BYTES_MAX, responseTo } from './pdu.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')

/** Written out by hand from SMPP 3.4 tables 4-5 and 4-10. */
const BIND_BODY = hex('6768617369 00 736563726574 00 00 34 01 01 00')
const SUBMIT_BODY = hex(`
  00  0500 474841534900  0101 34343737303039303031323300
  40 00 00  00  00  01 00 00 00  08 050003 4d 02 01 6869
  0424 0000`)

const address = fc.record({
  ton: fc.integer({ min: 0, max: 6 }),
  npi: fc.integer({ min: 0, max: 18 }),
  text: fc.stringMatching(/^[A-Za-z0-9]{0,20}$/),
})
const octet = fc.integer({ min: 0, max: 255 })
const octets = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength, size: 'max' }).map((bytes) => Buffer.from(bytes))
const tlvs = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 0xffff }), octets(70)), {
    maxLength: 5,
    selector: ([tag]) => tag,
  })
  .map((entries): ReadonlyMap<number, Buffer> => new Map(entries))
const shortMessage: fc.Arbitrary<ShortMessage> = fc.record({
  serviceType: fc.stringMatching(/^[A-Z]{0,5}$/),
  source: address,
  destination: address,
  esmClass: octet,
  protocolId: octet,
  priority: octet,
  scheduleTime: fc.constant(''),
  validityPeriod: fc.constantFrom('', '020610233429000R'),
  registeredDelivery: octet,
  replaceIfPresent: octet,
  dataCoding: octet,
  defaultMessageId: octet,
  octets: octets(254),
  tlvs,
})

describe('bodies', () => {
  test('bind_transceiver has system_id, password, system_type and interface_version in this order', () => {
    expect(decodeBind(BIND_BODY)).toEqual({
      systemId: 'ghasi',
      password: 'secret',
      systemType: '',
      interfaceVersion: 0x34,
    })
    expect(decodeBind(BIND_BODY.subarray(0, 14))).toBeUndefined()
  })

  test('submit_sm has its fields in the order of SMPP 3.4, then TLVs', () => {
    const message = decodeShortMessage(SUBMIT_BODY)
    expect(message).toMatchObject({
      source: { ton: 5, npi: 0, text: 'GHASI' },
      destination: { ton: 1, npi: 1, text: '447700900123' },
      esmClass: 0x40,
      registeredDelivery: 1,
      dataCoding: 0,
    })
    expect(message?.octets.toString('hex')).toBe('0500034d02016869')
    expect(message?.tlvs.get(0x0424)).toHaveLength(0)
  })

  test('a body is written as it was read', () => {
    fc.assert(
      fc.property(shortMessage, (message) => {
        expect(decodeShortMessage(encodeShortMessage(message))).toEqual(message)
      }),
    )
  })

  test('a body that is cut anywhere but between TLVs is refused, and never throws', () => {
    for (let length = 0; length < SUBMIT_BODY.length - 4; length++)
      expect(decodeShortMessage(SUBMIT_BODY.subarray(0, length))).toBeUndefined()
    for (let cut = 1; cut < 4; cut++)
      expect(decodeShortMessage(SUBMIT_BODY.subarray(0, SUBMIT_BODY.length - cut))).toBeUndefined()
    fc.assert(
      fc.property(octets(300), (body) => {
        decodeShortMessage(body)
        decodeBind(body)
      }),
    )
  })

  test('a text that is longer than its field is refused', () => {
    expect(new FieldReader(cString('12345')).cString(6)).toBe('12345')
    const reader = new FieldReader(cString('123456'))
    reader.cString(6)
    expect(reader.isSound).toBe(false)
  })

  test('a TLV that promises more than there is makes the body unsound', () => {
    const whole = encodeTlv(0x1e, Buffer.from('abc'))
    const reader = new FieldReader(whole.subarray(0, whole.length - 1))
    reader.tlvs()
    expect(reader.isSound).toBe(false)
  })

  test('a short_message of 255 octets cannot be written', () => {
    const [message] = fc.sample(shortMessage, 1)
    if (message === undefined) throw new Error('no sample')
    expect(() => encodeShortMessage({ ...message, octets: Buffer.alloc(255) })).toThrow(RangeError)
  })
})

describe('framing', () => {
  test('responses carry the top bit', () => {
    expect(responseTo(COMMAND.submit_sm)).toBe(0x80000004)
  })

  test('a header is command_length, command_id, command_status and sequence_number', () => {
    expect(encodePdu(COMMAND.enquire_link, 0, 7).toString('hex')).toBe('00000010000000150000000000000007')
  })

  test('PDUs come out whole and in order, however the stream is cut', () => {
    const pdu = fc.record({ commandId: octet, status: octet, sequence: octet, body: octets(60) })
    const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.array(pdu, { maxLength: 6 }), cuts, (pdus, sizes) => {
        const stream = Buffer.concat(
          pdus.map((each) => encodePdu(each.commandId, each.status, each.sequence, each.body)),
        )
        const framer = new Framer()
        const found = []
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1
          found.push(...framer.push(stream.subarray(at, at + size)).pdus)
          at += size
        }
        expect(found).toEqual(pdus)
      }),
    )
  })

  test.each([0, 4, 15, PDU_BYTES_MAX + 1, 0xf0000011])('command_length %i loses the stream', (length) => {
    const octets = Buffer.alloc(16)
    octets.writeUInt32BE(length)
    const whole = Buffer.concat([encodePdu(COMMAND.enquire_link, 0, 1), octets])
    const { pdus, lost } = new Framer().push(whole)
    expect([pdus.length, lost]).toEqual([1, true])
  })
})
