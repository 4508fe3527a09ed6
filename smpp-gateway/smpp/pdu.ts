import {
  COMMAND_BY_ID,
  COMMAND_BY_NAME,
  RESPONSE_BIT,
  TLVS,
  type Command,
  type Field,
  type FieldKind,
  type Tlv,
} from './commands.ts'

/** The codec: bytes to PDU and back. Nothing here decides what a PDU means. */
export interface Pdu {
  readonly command: string
  readonly status: number
  readonly sequence: number
  readonly fields: Readonly<Record<string, FieldValue>>
  /** Raw values by tag, because operators fill them in forms that no table foresees. */
  readonly tlvs: ReadonlyMap<number, Buffer>
}

type FieldValue = string | number | Buffer

export type PduRead =
  | { readonly ok: true; readonly pdu: Pdu }
  | { readonly ok: false; readonly reason: 'unknown_command' | 'malformed'; readonly sequence: number }

/** Mandatory and optional fields by their SMPP names; texts come as Buffers, already encoded. */
export type PduFields = Readonly<Record<string, string | number | Buffer>>

export const HEADER_BYTES = 16
const TLV_HEAD_BYTES = 4
/** SMPP 3.4 section 3.2: sequence numbers of requests that we send. */
export const SEQUENCE_MAX = 0x7fffffff

type Value = PduFields[string]

/**
 * `fields` that are absent are 0 or empty. A PDU with an error status has no body.
 *
 * @throws RangeError for a short_message of more than 255 octets
 */
export function encodePdu(command: string, sequence: number, fields: PduFields = {}, status = 0): Buffer {
  const { id, fields: body } = commandOf(command)
  const tlvs = status === 0 ? TLVS.filter(({ name }) => fields[name] !== undefined) : []
  let length = HEADER_BYTES
  if (status === 0) {
    for (const { name, kind } of body) length += sizeOf(kind, fields[name])
    for (const { name, kind } of tlvs) length += TLV_HEAD_BYTES + tlvSizeOf(kind, fields[name])
  }
  const frame = Buffer.allocUnsafe(length)
  writeHeader(frame, id, status, sequence)
  let at = HEADER_BYTES
  if (status === 0) for (const { name, kind } of body) at = write(frame, at, kind, fields[name])
  for (const tlv of tlvs) at = writeTlv(frame, at, tlv, fields[tlv.name])
  return frame
}

function commandOf(name: string): Command {
  const command = COMMAND_BY_NAME.get(name)
  if (command === undefined) throw new TypeError(`${name} is no command`)
  return command
}

function writeHeader(frame: Buffer, id: number, status: number, sequence: number): void {
  frame.writeUInt32BE(frame.length, 0)
  frame.writeUInt32BE(id, 4)
  frame.writeUInt32BE(status, 8)
  frame.writeUInt32BE(sequence, 12)
}

const lengthOf = (value: Value | undefined): number =>
  typeof value === 'object' || typeof value === 'string' ? value.length : 0

/** NUL behind a text, and the count before octets, take one octet. */
const sizeOf = (kind: FieldKind, value: Value | undefined): number =>
  kind === 'octet' ? 1 : 1 + lengthOf(value)
/** A TLV counts its octets in its head. */
const tlvSizeOf = (kind: FieldKind, value: Value | undefined): number =>
  sizeOf(kind, value) - (kind === 'octets' ? 1 : 0)

/** Answers where the next field begins. */
function write(frame: Buffer, at: number, kind: FieldKind, value: Value | undefined): number {
  if (kind === 'octet') return frame.writeUInt8(typeof value === 'number' ? value : 0, at)
  if (kind === 'octets') return writeOctets(frame, frame.writeUInt8(lengthOf(value), at), value)
  return frame.writeUInt8(0, writeOctets(frame, at, value))
}

function writeOctets(frame: Buffer, at: number, value: Value | undefined): number {
  if (typeof value === 'string') return at + frame.write(value, at, 'latin1')
  if (typeof value === 'object') return at + value.copy(frame, at)
  return at
}

function writeTlv(frame: Buffer, at: number, { tag, kind }: Tlv, value: Value | undefined): number {
  frame.writeUInt16BE(tag, at)
  const body = frame.writeUInt16BE(tlvSizeOf(kind, value), at + 2)
  return kind === 'octets' ? writeOctets(frame, body, value) : write(frame, body, kind, value)
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
  const command = COMMAND_BY_ID.get(id)
  if (command === undefined) return { ok: false, reason: 'unknown_command', sequence }
  const fields: Record<string, FieldValue> = {}
  const end = readFields(frame, command.fields, fields, isResponseId(frame))
  if (end === undefined) return { ok: false, reason: 'malformed', sequence }
  const status = frame.readUInt32BE(8)
  const tlvs = end < frame.length ? readTlvs(frame, end) : NO_TLVS
  return { ok: true, pdu: { command: command.name, status, sequence, fields, tlvs } }
}

/**
 * An unknown response must not be answered with generic_nack, or two faulty peers would answer each
 * other for ever.
 */
export const isResponseId = (frame: Buffer): boolean => (frame.readUInt32BE(4) & RESPONSE_BIT) !== 0

const UNBIND_ID = 0x06
export const isUnbind = (frame: Buffer): boolean => frame.readUInt32BE(4) === UNBIND_ID

/** Answers where the fields end; undefined when the body ends too early. */
function readFields(
  frame: Buffer,
  fields: readonly Field[],
  into: Record<string, FieldValue>,
  mayEndEarly: boolean,
): number | undefined {
  let at = HEADER_BYTES
  for (const { name, kind } of fields) {
    if (at >= frame.length) return mayEndEarly ? at : undefined
    const first = frame[at] ?? 0
    if (kind === 'octet') {
      into[name] = first
      at += 1
    } else if (kind === 'octets') {
      into[name] = frame.subarray(at + 1, at + 1 + first)
      at += 1 + first
    } else {
      const nul = first === 0 ? at : frame.indexOf(0, at)
      // A text at the end without its NUL is one all the same.
      const end = nul === -1 ? frame.length : nul
      into[name] = end === at ? '' : frame.toString('latin1', at, end)
      at = end + 1
    }
  }
  return at
}

const NO_TLVS: ReadonlyMap<number, Buffer> = new Map()

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
