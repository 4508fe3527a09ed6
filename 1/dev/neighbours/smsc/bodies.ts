import { cString, encodeTlv, FieldReader, type Tlvs } from './fields.ts'

/**
 * Bodies of bind and of submit_sm / deliver_sm, which share one layout (SMPP 3.4 sections 4.1.1,
 * 4.4.1, 4.6.1).
 */
export interface Bind {
  readonly systemId: string
  readonly password: string
  readonly systemType: string
  readonly interfaceVersion: number
}

export interface Address {
  readonly ton: number
  readonly npi: number
  readonly text: string
}

export interface ShortMessage {
  readonly serviceType: string
  readonly source: Address
  readonly destination: Address
  readonly esmClass: number
  readonly protocolId: number
  readonly priority: number
  readonly scheduleTime: string
  readonly validityPeriod: string
  readonly registeredDelivery: number
  readonly replaceIfPresent: number
  readonly dataCoding: number
  readonly defaultMessageId: number
  readonly octets: Buffer
  readonly tlvs: Tlvs
}

const PASSWORD_BYTES_MAX = 65

/** Undefined when the body does not have the shape that SMPP 3.4 gives it. */
export function decodeBind(body: Buffer): Bind | undefined {
  const reader = new FieldReader(body)
  const bind = {
    systemId: reader.cString(16),
    // The standard says 9 with its NUL; operators that give longer passwords take them.
    password: reader.cString(PASSWORD_BYTES_MAX),
    systemType: reader.cString(13),
    interfaceVersion: reader.octet(),
  }
  reader.octets(2)
  reader.cString(41)
  return reader.isSound ? bind : undefined
}

export function decodeShortMessage(body: Buffer): ShortMessage | undefined {
  const reader = new FieldReader(body)
  const message: ShortMessage = {
    serviceType: reader.cString(6),
    source: readAddress(reader),
    destination: readAddress(reader),
    esmClass: reader.octet(),
    protocolId: reader.octet(),
    priority: reader.octet(),
    scheduleTime: reader.cString(17),
    validityPeriod: reader.cString(17),
    registeredDelivery: reader.octet(),
    replaceIfPresent: reader.octet(),
    dataCoding: reader.octet(),
    defaultMessageId: reader.octet(),
    octets: reader.octets(reader.octet()),
    tlvs: reader.tlvs(),
  }
  return reader.isSound ? message : undefined
}

const readAddress = (reader: FieldReader): Address => ({
  ton: reader.octet(),
  npi: reader.octet(),
  text: reader.cString(21),
})

/**
 * @throws RangeError when short_message is over 254 octets: the caller has to put it into
 *   message_payload.
 */
export function encodeShortMessage(message: ShortMessage): Buffer {
  if (message.octets.length > SHORT_MESSAGE_BYTES_MAX)
    throw new RangeError('short_message is over 254 octets')
  return Buffer.concat([
    cString(message.serviceType),
    ...address(message.source),
    ...address(message.destination),
    Buffer.of(message.esmClass, message.protocolId, message.priority),
    cString(message.scheduleTime),
    cString(message.validityPeriod),
    Buffer.of(message.registeredDelivery, message.replaceIfPresent, message.dataCoding),
    Buffer.of(message.defaultMessageId, message.octets.length),
    message.octets,
    ...[...message.tlvs].map(([tag, value]) => encodeTlv(tag, value)),
  ])
}

const SHORT_MESSAGE_BYTES_MAX = 254

const address = ({ ton, npi, text }: Address): readonly Buffer[] => [Buffer.of(ton, npi), cString(text)]
