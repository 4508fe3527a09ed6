import { decodeGsm7, decodeUcs2 } from '../../../streams/domain/message/gsm7.ts'
import type { ShortMessage } from './bodies.ts'
import { TAG } from './fields.ts'

/**
 * Where a part stands in its message: the concatenation element of its user data header (3GPP TS
 * 23.040 9.2.3.24).
 */
export interface Concatenation {
  readonly reference: number
  readonly total: number
  /** Counted from 1. */
  readonly index: number
}

export interface UserData {
  /** Octets of the header, its length octet included; 0 without one. */
  readonly headerBytes: number
  /** Absent in a message of one part. */
  readonly concatenation?: Concatenation
  /** What follows the header. */
  readonly octets: Buffer
}

const HAS_HEADER = 0x40
const CONCATENATION_8_BIT = 0x00
const CONCATENATION_16_BIT = 0x08

/**
 * Splits header and text; undefined when esm_class promises a header that is not there or cannot be
 * read.
 */
export function readUserData(message: ShortMessage): UserData | undefined {
  const octets = message.tlvs.get(TAG.message_payload) ?? message.octets
  if ((message.esmClass & HAS_HEADER) === 0) return { headerBytes: 0, octets }
  const headerBytes = 1 + (octets[0] ?? octets.length)
  if (headerBytes > octets.length) return undefined
  const elements = readElements(octets.subarray(1, headerBytes))
  if (elements === undefined) return undefined
  const concatenation = readConcatenation(elements)
  const rest = octets.subarray(headerBytes)
  return concatenation === undefined
    ? { headerBytes, octets: rest }
    : { headerBytes, concatenation, octets: rest }
}

function readElements(header: Buffer): ReadonlyMap<number, Buffer> | undefined {
  const elements = new Map<number, Buffer>()
  for (let at = 0; at < header.length; ) {
    const length = header[at + 1]
    if (length === undefined || at + 2 + length > header.length) return undefined
    elements.set(header[at] ?? 0, header.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return elements
}

function readConcatenation(elements: ReadonlyMap<number, Buffer>): Concatenation | undefined {
  const short = elements.get(CONCATENATION_8_BIT)
  if (short?.length === 3)
    return { reference: short.readUInt8(0), total: short.readUInt8(1), index: short.readUInt8(2) }
  const long = elements.get(CONCATENATION_16_BIT)
  if (long?.length === 4)
    return { reference: long.readUInt16BE(0), total: long.readUInt8(2), index: long.readUInt8(3) }
  return undefined
}

export type Alphabet = 'gsm7' | 'ucs2' | 'latin1' | 'unknown'

/** data_coding ([EN1], [EN2]), with message class 0 (flash) as the gateway writes it [EN4]. */
export function alphabetOf(dataCoding: number): Alphabet {
  if (dataCoding === 0x00 || dataCoding === 0x10) return 'gsm7'
  if (dataCoding === 0x08 || dataCoding === 0x18) return 'ucs2'
  return dataCoding === 0x01 || dataCoding === 0x03 ? 'latin1' : 'unknown'
}

export function decodeText(octets: Buffer, dataCoding: number): string {
  const alphabet = alphabetOf(dataCoding)
  if (alphabet === 'gsm7') return decodeGsm7(octets)
  return alphabet === 'ucs2' ? decodeUcs2(octets) : octets.toString('latin1')
}
