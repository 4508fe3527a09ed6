import type { DispatchCommand } from '../../streams/contracts/outbound.ts'
import type { OperatorProfile } from '../../streams/contracts/operator-profile.ts'
import { encodeUcs2 } from '../../streams/domain/message/gsm7.ts'
import { splitText, type Encoding, type ReferenceBits } from '../../streams/domain/message/text-segments.ts'
import { senderKind } from '../../streams/domain/message/sender.ts'
import { isPlain, octetsIn, type Charset } from './charset.ts'
import type { PduFields } from '../smpp/pdu.ts'

/** How the operator that the PDU goes to wants it. */
export interface Addressing {
  readonly tonNpi: OperatorProfile['tonNpi']
  readonly sendValidity: boolean
  readonly validityFormat: OperatorProfile['validityFormat']
  readonly charset: Charset
}

/** How the parts of a text are made. */
type Splitting = Pick<OperatorProfile, 'charset' | 'refBits'>

/** A command's text in its parts. */
export interface Plan {
  readonly encoding: Encoding
  readonly parts: readonly string[]
  readonly refBits: ReferenceBits
  readonly isFlash: boolean
  /** Goes in message_payload, whole, when it does not fit alone [EN9]. */
  readonly isPayload: boolean
}

/** One submit_sm. */
export interface Segment {
  readonly index: number
  readonly total: number
  readonly text: string
  readonly plan: Plan
  /** Before the text, in a message of several parts. */
  readonly header: Buffer | undefined
}

const UDH_INDICATOR = 0x40
const DATA_CODING: Readonly<Record<Encoding, number>> = { GSM7: 0x00, UCS2: 0x08 }
/** Message class 0, shown at once and not stored (GSM 03.38 section 4; values: [EN4]). */
const FLASH_CLASS = 0x10
/** 3GPP TS 23.040 section 9.2.3.16: user data of one short message. */
const UCS2_OCTETS_MAX = 140

/**
 * The parts of a command's text ([EN1] to [EN9]). The text decides the alphabet, and the operator's
 * table whether it can be written in it [PD3]. The parts are split by the rule of the queue's
 * operator, so that a message keeps its parts when another operator carries the rest.
 */
export function planOf(command: DispatchCommand, { charset, refBits }: Splitting): Plan {
  const { body } = command
  const encoding = isPlain(charset, body) ? 'GSM7' : 'UCS2'
  const isFlash = command.messageType === 'FLASH_SMS'
  const { parts } = splitText(body, refBits, encoding)
  const isPayload = parts.length > 1 && command.longMessageStrategy === 'TLV'
  return { encoding, refBits, isFlash, isPayload, parts: isPayload ? [body] : parts }
}

/** `reference`: the same for all parts of a message, unlike that of any other [EN6]. */
export function segmentsOf(plan: Plan, reference: number): readonly Segment[] {
  const total = plan.parts.length
  return plan.parts.map((text, at) => ({
    index: at + 1,
    total,
    text,
    plan,
    header: total === 1 ? undefined : concatenationHeader(reference, plan.refBits, total, at + 1),
  }))
}

/**
 * Everything but the addresses, in the octets of the operator that really carries it; undefined
 * when its table does not hold the text and UCS-2 has no room for it.
 */
export function contentOf({ text, header, plan }: Segment, charset: Charset): PduFields | undefined {
  const plain = plan.encoding === 'GSM7' ? octetsIn(charset, text) : undefined
  const octets = plain ?? encodeUcs2(text)
  const dataCoding = DATA_CODING[plain === undefined ? 'UCS2' : 'GSM7'] + (plan.isFlash ? FLASH_CLASS : 0)
  const content = { registered_delivery: 1, data_coding: dataCoding }
  if (plan.isPayload) return { ...content, short_message: NOTHING, message_payload: octets }
  if (plain === undefined && octets.length + (header?.length ?? 0) > UCS2_OCTETS_MAX) return undefined
  if (header === undefined) return { ...content, short_message: octets }
  return { ...content, esm_class: UDH_INDICATOR, short_message: Buffer.concat([header, octets]) }
}

const NOTHING = Buffer.alloc(0)

/**
 * User data header with the concatenation element (3GPP TS 23.040 sections 9.2.3.24.1 and
 * 9.2.3.24.8).
 */
const concatenationHeader = (reference: number, bits: ReferenceBits, total: number, index: number): Buffer =>
  bits === 8
    ? Buffer.from([0x05, 0x00, 0x03, reference, total, index])
    : Buffer.from([0x06, 0x08, 0x04, reference >> 8, reference & 0xff, total, index])

/**
 * Addresses and validity, as the carrying operator wants them; undefined when its table does not
 * hold the sender [PD4]. An address ends at its first NUL, which GSM 03.38 makes of "@".
 */
export function addressFields(
  command: DispatchCommand,
  { tonNpi, sendValidity, validityFormat, charset }: Addressing,
  now: number,
): PduFields | undefined {
  const source = octetsIn(charset, withoutPlus(command.from))
  if (source === undefined || source.includes(0) || source.length > ADDRESS_OCTETS_MAX) return undefined
  // A sender that fits no kind was accepted upstream under other rules. As a name it reaches the
  // operator, who then decides.
  const [sourceTon, sourceNpi] = tonNpi[senderKind(command.from) ?? 'alphanumeric']
  const [destTon, destNpi] = tonNpi.destination
  return {
    source_addr_ton: sourceTon,
    source_addr_npi: sourceNpi,
    source_addr: source,
    dest_addr_ton: destTon,
    dest_addr_npi: destNpi,
    destination_addr: withoutPlus(command.to),
    ...(sendValidity && {
      validity_period:
        validityFormat === 'absolute'
          ? absoluteTime(command.expiresAt)
          : relativeTime(Date.parse(command.expiresAt) - now),
    }),
  }
}

/** SMPP 3.4 section 4.4.1, without the NUL. */
const ADDRESS_OCTETS_MAX = 20
const withoutPlus = (address: string): string => (address.startsWith('+') ? address.slice(1) : address)

/** SMPP 3.4 section 7.1.1: YYMMDDhhmmsstnnp, in UTC. */
const absoluteTime = (instant: string): string => `${instant.replace(/\D/g, '').slice(2, 14)}000+`

/**
 * SMPP 3.4 section 7.1.1: the same digits, as a span from now. At least a second: nothing at all
 * would mean the operator's own validity.
 */
function relativeTime(spanMs: number): string {
  const seconds = Math.max(1, Math.floor(spanMs / 1_000))
  const parts = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3_600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ]
  return `0000${parts.map((part) => String(Math.min(99, part)).padStart(2, '0')).join('')}000R`
}
