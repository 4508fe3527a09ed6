import * as fc from 'fast-check'
import smpp from 'smpp'
import { describe, expect, it } from 'vitest'
import { COMMAND_BY_NAME, TLVS, type FieldKind } from './commands.ts'
import { decodePdu, encodePdu, type PduFields } from './pdu.ts'

/** The library without its filters, which guess alphabets. */
class PlainPdu extends smpp.PDU {
  override _filter(): void {}
}

// Seven bits: beyond them the library drops the eighth.
const text = fc.string({
  unit: fc.integer({ min: 1, max: 127 }).map((c) => String.fromCharCode(c)),
  maxLength: 40,
})
const VALUE: Readonly<Record<FieldKind, fc.Arbitrary<string | number | Buffer>>> = {
  octet: fc.integer({ min: 0, max: 255 }),
  text,
  octets: fc.uint8Array({ maxLength: 254 }).map((octets) => Buffer.from(octets)),
}
const TAKING_TLVS: ReadonlySet<string> = new Set(['submit_sm', 'deliver_sm', 'data_sm'])

const pdus = fc.constantFrom(...COMMAND_BY_NAME.values()).chain((command) => {
  const fields = Object.fromEntries(command.fields.map(({ name, kind }) => [name, VALUE[kind]]))
  const tlvs = TAKING_TLVS.has(command.name) ? TLVS : []
  const optional = Object.fromEntries(tlvs.map(({ name, kind }) => [name, VALUE[kind]]))
  return fc.record({
    command: fc.constant(command.name),
    fields: fc.record(fields),
    tlvs: fc.record(optional, { requiredKeys: [] }),
    sequence: fc.integer({ min: 0, max: 0xffffffff }),
    status: fc.constantFrom(0, 0, 0x58),
  })
})

const theirs = (command: string, sequence: number, fields: PduFields, status: number): Buffer =>
  new PlainPdu(command, { ...fields, sequence_number: sequence, command_status: status }).toBuffer()

describe('the codec agrees with npm smpp', () => {
  it('about the octets of every PDU', () => {
    fc.assert(
      fc.property(pdus, ({ command, fields, tlvs, sequence, status }) => {
        // In one order: TLVs may stand in any.
        const all: Record<string, string | number | Buffer> = { ...fields }
        for (const { name } of TLVS) if (tlvs[name] !== undefined) all[name] = tlvs[name]
        expect(encodePdu(command, sequence, all, status)).toEqual(theirs(command, sequence, all, status))
      }),
    )
  })

  it('about what the fields of every PDU are', () => {
    fc.assert(
      fc.property(pdus, ({ command, fields, sequence }) => {
        const frame = theirs(command, sequence, fields, 0)
        const read = decodePdu(frame)
        expect(read).toMatchObject({ ok: true, pdu: { command, sequence, status: 0, fields } })
      }),
    )
  })

  it('keeps the eighth bit of an id, which the library drops', () => {
    const read = decodePdu(encodePdu('submit_sm_resp', 1, { message_id: 'caf\u00e9' }))
    expect(read).toMatchObject({ pdu: { fields: { message_id: 'caf\u00e9' } } })
  })
})
