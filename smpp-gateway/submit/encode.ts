import type { DispatchCommand } from '../../streams/contracts/outbound.ts'
import type { OperatorProfile } from '../../streams/contracts/operator-profile.ts'
import { encodeGsm7, encodeUcs2 } from '../../streams/domain/message/gsm7.ts'
import { splitText, type Encoding, type ReferenceBits } from '../../streams/domain/message/text-segments.ts'
import { senderKind } from '../../streams/domain/message/sender.ts'
import type { PduFields } from '../smpp/pdu.ts'

/** How the operator that the PDU goes to wants it. */
export interface Addressing {
  readonly tonNpi: OperatorProfile['tonNpi']
  readonly sendValidity: boolean
}

/** One submit_sm. */
export interface Segment {
  readonly index: number
  readonly total: number
  /** Everything but the addresses, which depend on the operator that really carries the message. */
  readonly content: PduFields
}

const UDH_INDICATOR = 0x40
const DATA_CODING: Readonly<Record<Encoding, number>> = { GSM7: 0x00, UCS2: 0x08 }
/** Message class 0, shown at once and not stored (GSM 03.38 section 4; values: [EN4]). */
const FLASH_CLASS = 0x10

/**
 * The segments of a command ([EN1] to [EN9]). The text decides the alphabet. The parts are split by
 * the rule of the queue's operator, so that a message keeps its parts when another operator carries
 * the rest.
 */
export function segmentsOf(command: DispatchCommand, refBits: ReferenceBits): readonly Segment[] {
  const { encoding, parts } = splitText(command.body, refBits)
  const dataCoding = DATA_CODING[encoding] + (command.messageType === 'FLASH_SMS' ? FLASH_CLASS : 0)
  const content = { registered_delivery: 1, data_coding: dataCoding }
  if (parts.length === 1) return [alone({ ...content, short_message: octets(command.body, encoding) })]
  if (command.longMessageStrategy === 'TLV')
    return [alone({ ...content, short_message: NOTHING, message_payload: octets(command.body, encoding) })]
  return parts.map((part, at) => {
    const header = concatenationHeader(command.messageId, refBits, parts.length, at + 1)
    const message = Buffer.concat([header, octets(part, encoding)])
    return {
      index: at + 1,
      total: parts.length,
      content: { ...content, esm_class: UDH_INDICATOR, short_message: message },
    }
  })
}

const NOTHING = Buffer.alloc(0)
const alone = (content: PduFields): Segment => ({ index: 1, total: 1, content })
const octets = (text: string, encoding: Encoding): Buffer =>
  encoding === 'GSM7' ? encodeGsm7(text) : encodeUcs2(text)

/**
 * User data header with the concatenation element (3GPP TS 23.040 sections 9.2.3.24.1 and
 * 9.2.3.24.8). As yet the reference is the end of messageId and not a counter [EN6]: mostly
 * different for two messages to one phone, and the same when a command comes again.
 */
function concatenationHeader(messageId: string, bits: ReferenceBits, total: number, index: number): Buffer {
  const reference = Number.parseInt(messageId.slice(-bits / 4), 16)
  return bits === 8
    ? Buffer.from([0x05, 0x00, 0x03, reference, total, index])
    : Buffer.from([0x06, 0x08, 0x04, reference >> 8, reference & 0xff, total, index])
}

/** Addresses and validity, as the carrying operator wants them. */
export function addressFields(command: DispatchCommand, { tonNpi, sendValidity }: Addressing): PduFields {
  // A sender that fits no kind was accepted upstream under other rules. As a name it reaches the
  // operator, who then decides.
  const [sourceTon, sourceNpi] = tonNpi[senderKind(command.from) ?? 'alphanumeric']
  const [destTon, destNpi] = tonNpi.destination
  return {
    source_addr_ton: sourceTon,
    source_addr_npi: sourceNpi,
    source_addr: Buffer.from(withoutPlus(command.from), 'latin1'),
    dest_addr_ton: destTon,
    dest_addr_npi: destNpi,
    destination_addr: withoutPlus(command.to),
    ...(sendValidity && { validity_period: absoluteTime(command.expiresAt) }),
  }
}

const withoutPlus = (address: string): string => (address.startsWith('+') ? address.slice(1) : address)

/** SMPP 3.4 section 7.1.1: YYMMDDhhmmsstnnp, in UTC. */
const absoluteTime = (instant: string): string => `${instant.replace(/\D/g, '').slice(2, 14)}000+`
