import type { Address, ShortMessage } from './bodies.ts'
import { TAG } from './fields.ts'
import { STATUS } from './pdu.ts'
import { alphabetOf, type UserData } from './text.ts'

/**
 * A submit_sm that no careful operator would take: the status it is refused with and the rule that
 * it breaks.
 */
export interface Violation {
  readonly status: number
  readonly rule: string
}

type Check = (message: ShortMessage, userData: UserData) => Violation | undefined

const USER_DATA_BYTES_MAX = 140
const ESCAPE = 0x1b

const unless = (holds: boolean, status: number, rule: string): Violation | undefined =>
  holds ? undefined : { status, rule }

function checkSource({ ton, npi, text }: Address): Violation | undefined {
  if (ton === 5) {
    if (npi !== 0) return { status: STATUS.RINVSRCNPI, rule: 'alphanumeric source with an NPI' }
    return unless(
      /^[^\0]{1,11}$/.test(text),
      STATUS.RINVSRCADR,
      'alphanumeric source is not 1 to 11 characters',
    )
  }
  if (ton === 1)
    return unless(/^[1-9]\d{4,14}$/.test(text), STATUS.RINVSRCADR, 'international source is not digits')
  const isShortCode = ton === 0 || ton === 3 || ton === 6
  if (!isShortCode) return { status: STATUS.RINVSRCTON, rule: 'source TON is not 0, 1, 3, 5 or 6' }
  return unless(/^\d{3,15}$/.test(text), STATUS.RINVSRCADR, 'short code is not digits')
}

function checkPayload(message: ShortMessage): Violation | undefined {
  const hasPayload = message.tlvs.has(TAG.message_payload)
  if (hasPayload && message.octets.length > 0)
    return { status: STATUS.ROPTPARNOTALLWD, rule: 'short_message and message_payload at once' }
  const hasSar = message.tlvs.has(TAG.sar_msg_ref_num)
  return unless(!hasSar || (message.esmClass & 0x40) === 0, STATUS.ROPTPARNOTALLWD, 'SAR and header at once')
}

const checkConcatenation: Check = (_message, { concatenation, headerBytes }) => {
  if (concatenation === undefined)
    return unless(headerBytes === 0, STATUS.RINVESMCLASS, 'header without concatenation')
  const { index, total } = concatenation
  return unless(
    total >= 2 && index >= 1 && index <= total,
    STATUS.RINVESMCLASS,
    'index and total of the header do not fit',
  )
}

const checkText: Check = (message, { octets, headerBytes }) => {
  const alphabet = alphabetOf(message.dataCoding)
  if (alphabet === 'unknown') return { status: STATUS.RSUBMITFAIL, rule: 'data_coding is not known' }
  if (alphabet === 'gsm7' && octets.some((octet) => octet > 0x7f))
    return { status: STATUS.RSUBMITFAIL, rule: 'octet above 0x7F under GSM data_coding' }
  if (alphabet === 'ucs2' && octets.length % 2 === 1)
    return { status: STATUS.RINVMSGLEN, rule: 'odd number of octets under UCS-2' }
  if (message.tlvs.has(TAG.message_payload)) return undefined
  const bytes = headerBytes + (alphabet === 'gsm7' ? Math.ceil((octets.length * 7) / 8) : octets.length)
  return unless(bytes <= USER_DATA_BYTES_MAX, STATUS.RINVMSGLEN, 'user data over 140 octets')
}

/**
 * A part that ends inside an escape or a surrogate pair shows as garbage on a handset that waits
 * for the other part.
 */
const checkTornPair: Check = (message, { octets, concatenation }) => {
  if (concatenation === undefined || concatenation.index === concatenation.total) return undefined
  const alphabet = alphabetOf(message.dataCoding)
  const isTorn =
    alphabet === 'gsm7'
      ? octets.at(-1) === ESCAPE
      : alphabet === 'ucs2' && octets.length >= 2 && isHighSurrogate(octets.readUInt16BE(octets.length - 2))
  return unless(!isTorn, STATUS.RSUBMITFAIL, 'part ends inside an escape or surrogate pair')
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff

const CHECKS: readonly Check[] = [
  ({ destination }) => unless(destination.ton === 1, STATUS.RINVDSTTON, 'destination TON is not 1'),
  ({ destination }) => unless(destination.npi === 1, STATUS.RINVDSTNPI, 'destination NPI is not 1'),
  ({ destination }) =>
    unless(/^[1-9]\d{6,14}$/.test(destination.text), STATUS.RINVDSTADR, 'destination is not digits'),
  ({ source }) => checkSource(source),
  ({ esmClass }) =>
    unless((esmClass & ~0x43) === 0, STATUS.RINVESMCLASS, 'esm_class has other bits than mode and header'),
  ({ registeredDelivery }) =>
    unless((registeredDelivery & ~0x1f) === 0, STATUS.RINVREGDLVFLG, 'registered_delivery has unknown bits'),
  ({ validityPeriod }) =>
    unless(
      /^(\d{15}[-+R])?$/.test(validityPeriod),
      STATUS.RINVEXPIRY,
      'validity_period is not 16 characters',
    ),
  checkPayload,
  checkConcatenation,
  checkText,
  checkTornPair,
]

/**
 * Stricter than most operators on purpose: a fault that a lenient peer forgives would be found in
 * production. The limits are those of 3GPP TS 23.040 (140 octets of user data), of [PD1] and of
 * [EN1] to [EN9].
 */
export function inspect(message: ShortMessage, userData: UserData): Violation | undefined {
  for (const check of CHECKS) {
    const violation = check(message, userData)
    if (violation !== undefined) return violation
  }
  return undefined
}
