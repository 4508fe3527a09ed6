import smpp from 'smpp'

/** The codec: bytes to PDU and back. Nothing here decides what a PDU means. */
export interface Pdu {
  readonly command: string
  readonly status: number
  readonly sequence: number
  readonly fields: Readonly<Record<string, FieldValue>>
  /** Raw values by tag, because operators fill them in forms that no table foresees. */
  readonly tlvs: ReadonlyMap<number, Buffer>
}

type FieldValue = string | number | Buffer | readonly unknown[]

export type PduRead =
  | { readonly ok: true; readonly pdu: Pdu }
  | { readonly ok: false; readonly reason: 'unknown_command' | 'malformed'; readonly sequence: number }

/** Mandatory and optional fields by their SMPP names; texts come as Buffers, already encoded. */
export type PduFields = Readonly<Record<string, string | number | Buffer>>

export const HEADER_BYTES = 16
/** SMPP 3.4 section 3.2: sequence numbers of requests that we send. */
export const SEQUENCE_MAX = 0x7fffffff

const RESPONSE_BIT = 0x80000000

/**
 * The library's encoder without its filters: they guess an alphabet and a data_coding (wrongly:
 * Latin-1 before UCS-2).
 */
class RawPdu extends smpp.PDU {
  override _filter(): void {}
}

export function encodePdu(command: string, sequence: number, fields: PduFields = {}, status = 0): Buffer {
  return new RawPdu(command, { ...fields, sequence_number: sequence, command_status: status }).toBuffer()
}

export const isResponse = (pdu: Pdu): boolean =>
  pdu.command.endsWith('_resp') || pdu.command === 'generic_nack'

/**
 * One whole frame, length included. Of a response fields that are missing at its end are absent:
 * one with an error may come without a body. A request that ends too early is malformed, or a cut
 * receipt would pass for something else.
 */
export function decodePdu(frame: Buffer): PduRead {
  const id = frame.readUInt32BE(4)
  const sequence = frame.readUInt32BE(12)
  const spec = smpp.commandsById[id]
  if (spec === undefined) return { ok: false, reason: 'unknown_command', sequence }
  try {
    const { fields, end } = readFields(frame, spec.params ?? {}, isResponseId(frame))
    const pdu = {
      command: spec.command,
      status: frame.readUInt32BE(8),
      sequence,
      fields,
      tlvs: readTlvs(frame, end),
    }
    return { ok: true, pdu }
  } catch {
    // The library reads past the end of a cut body. Which field it was does not matter: the peer's
    // framing is not to be trusted.
    return { ok: false, reason: 'malformed', sequence }
  }
}

/**
 * An unknown response must not be answered with generic_nack, or two faulty peers would answer each
 * other for ever.
 */
export const isResponseId = (frame: Buffer): boolean => (frame.readUInt32BE(4) & RESPONSE_BIT) !== 0

type Params = NonNullable<NonNullable<(typeof smpp.commandsById)[number]>['params']>

function readFields(
  frame: Buffer,
  params: Params,
  mayEndEarly: boolean,
): { fields: Record<string, FieldValue>; end: number } {
  const fields: Record<string, FieldValue> = {}
  let at = HEADER_BYTES
  for (const [name, { type }] of Object.entries(params)) {
    if (at >= frame.length && mayEndEarly) break
    if (at >= frame.length) throw new RangeError('the body ends too early')
    const value = type.read(frame, at)
    fields[name] = value
    at += type.size(value)
  }
  return { fields, end: at }
}

/**
 * Each value is exactly its length octets: the library reads a text TLV up to the next NUL and so
 * runs into the following one. A TLV that claims more than the frame holds ends the reading,
 * because a cut message id would be a wrong one.
 */
function readTlvs(frame: Buffer, start: number): ReadonlyMap<number, Buffer> {
  const tlvs = new Map<number, Buffer>()
  for (let at = start; at + 4 <= frame.length; ) {
    const end = at + 4 + frame.readUInt16BE(at + 2)
    if (end > frame.length) break
    const tag = frame.readUInt16BE(at)
    if (!tlvs.has(tag)) tlvs.set(tag, frame.subarray(at + 4, end))
    at = end
  }
  return tlvs
}

/** A text field, '' when absent. */
export function textField(pdu: Pdu, name: string): string {
  const value = pdu.fields[name]
  return typeof value === 'string' ? value : ''
}

/** A number field, 0 when absent. */
export function numberField(pdu: Pdu, name: string): number {
  const value = pdu.fields[name]
  return typeof value === 'number' ? value : 0
}
