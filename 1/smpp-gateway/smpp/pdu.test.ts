import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createFramer, PDU_BYTES_MAX } from './framing.ts'
import { decodePdu, encodePdu, type Pdu } from './pdu.ts'

const read = (frame: Buffer): Pdu => {
  const decoded = decodePdu(frame)
  if (!decoded.ok) throw new Error(decoded.reason)
  return decoded.pdu
}

const SUBMIT = encodePdu('submit_sm', 7, {
  source_addr: 'GHASI',
  destination_addr: '447700900123',
  data_coding: 0,
  short_message: Buffer.from([0x1b, 0x65, 0x00]),
})

describe('codec', () => {
  it('keeps octets, data_coding and sequence as given, because it never guesses an alphabet', () => {
    const { fields, sequence } = read(SUBMIT)
    expect(sequence).toBe(7)
    expect(fields).toMatchObject({ source_addr: 'GHASI', destination_addr: '447700900123', data_coding: 0 })
    expect(fields['short_message']).toEqual(Buffer.from([0x1b, 0x65, 0x00]))
  })

  it('CON-5.8 reads a text TLV by its length, not up to the next NUL', () => {
    const tlvs = Buffer.from('001e0006414243313233042700010200', 'hex').subarray(0, 15)
    const plain = encodePdu('deliver_sm', 1, { short_message: Buffer.alloc(0) })
    const frame = Buffer.concat([plain, tlvs])
    frame.writeUInt32BE(frame.length, 0)
    const pdu = read(frame)
    expect(pdu.tlvs.get(0x001e)?.toString('latin1')).toBe('ABC123')
    expect(pdu.tlvs.get(0x0427)).toEqual(Buffer.from([2]))
  })

  it('ignores a TLV that claims more than the PDU holds, since a cut id would be a wrong one', () => {
    const plain = encodePdu('deliver_sm', 1, { short_message: Buffer.alloc(0) })
    const frame = Buffer.concat([plain, Buffer.from('001e00ff414243', 'hex')])
    frame.writeUInt32BE(frame.length, 0)
    expect(read(frame).tlvs.size).toBe(0)
  })

  it('reads an error response without a body, and names an unknown command with its sequence', () => {
    expect(read(encodePdu('submit_sm_resp', 9, {}, 0x58))).toMatchObject({ status: 0x58, sequence: 9 })
    const strange = Buffer.from('00000010000009990000000080000001', 'hex')
    expect(decodePdu(strange)).toEqual({ ok: false, reason: 'unknown_command', sequence: 0x80000001 })
  })

  it('answers any damaged PDU with a value and never throws', () => {
    const flips = fc.array(fc.tuple(fc.nat(SUBMIT.length - 5), fc.nat(255)), { maxLength: 6 })
    fc.assert(
      fc.property(flips, (changes) => {
        const frame = Buffer.from(SUBMIT)
        for (const [at, value] of changes) frame[at + 4] = value
        expect(typeof decodePdu(frame).ok).toBe('boolean')
      }),
    )
  })
})

describe('framing', () => {
  const answer = encodePdu('enquire_link_resp', 3)
  const stream = Buffer.concat([SUBMIT, answer, SUBMIT])

  it('finds the same PDUs however the bytes arrive', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
        const framer = createFramer()
        const frames: Buffer[] = []
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1
          frames.push(...framer.push(stream.subarray(at, at + size)).frames)
          at += size
        }
        expect(frames).toEqual([SUBMIT, answer, SUBMIT])
      }),
    )
  })

  it.each([0, 4, 5, 15, PDU_BYTES_MAX + 1, 0xf0000011])(
    'refuses a length of %i after what was whole',
    (length) => {
      const head = Buffer.alloc(4)
      head.writeUInt32BE(length)
      expect(createFramer().push(Buffer.concat([answer, head]))).toEqual({ frames: [answer], broken: true })
    },
  )
})
