import type { OperatorProfile } from './operator-profile.ts'

/** What a profile means, in sentences for the person who has written it. */
export function profileInWords(profile: OperatorProfile): readonly string[] {
  return [
    ...linkOf(profile),
    ...submitsOf(profile),
    ...receiptsOf(profile),
    ...[...profile.statusOverrides].map(
      ([code, name]) => `Status 0x${code.toString(16).padStart(2, '0')} counts as ${name}.`,
    ),
  ]
}

function linkOf({
  tls,
  bindMode,
  binds,
  window,
  rate,
  timers,
  unansweredMs,
  failoverAfterMs,
}: OperatorProfile) {
  const times = Object.entries(timers).map(([name, value]) => `${name} ${value}`)
  return [
    tls === null ? 'The link is in the clear.' : secured(tls),
    bindMode === undefined
      ? 'The credentials say how to bind; a transceiver that is refused becomes a transmitter and a receiver.'
      : `Binds as ${bindMode}, whatever the credentials say.`,
    ...(binds === 1 ? [] : [`Up to ${binds} binds at a time, which share window and rate.`]),
    `At most ${window} submits are unanswered at a time${rate === undefined ? '' : `, and at most ${rate} leave in a second`}.`,
    ...(times.length === 0 ? [] : [`Timers of its own: ${times.join(', ')}.`]),
    `When no submit is answered for ${unansweredMs} ms, the link is closed and bound again.`,
    `Without a link for ${failoverAfterMs} ms, the backup takes over if there is one.`,
  ]
}

const secured = (tls: NonNullable<OperatorProfile['tls']>): string =>
  `The link is TLS, checked against ${tls.caFile ?? "the system's certificates"}` +
  (tls.serverName === undefined ? '' : ` for the name ${tls.serverName}`) +
  (tls.certFile === undefined ? '.' : `, with our certificate ${tls.certFile}.`)

const CHARSET_WORDS = { gsm7: 'GSM 03.38', latin1: 'ISO 8859-1', ascii: 'ASCII' } as const

function submitsOf(profile: OperatorProfile): readonly string[] {
  const { charset, longMessage, refBits, sendValidity, validityFormat, inDoubt, tonNpi } = profile
  const kinds = Object.entries(tonNpi).map(([kind, [ton, npi]]) => `${kind} ${ton}/${npi}`)
  return [
    `data_coding 0 means ${CHARSET_WORDS[charset]}.`,
    longMessage === 'TLV'
      ? 'A long text goes as one submit_sm with message_payload.'
      : `A long text goes in parts with a reference of ${refBits} bits.`,
    sendValidity ? `The validity is sent in ${validityFormat} form.` : 'No validity is sent.',
    `TON/NPI: ${kinds.join(', ')}.`,
    inDoubt === 'resubmit'
      ? 'A segment whose answer is lost is sent once more.'
      : 'A segment whose answer is lost is not sent again.',
  ]
}

const SOURCE_WORDS = {
  both: 'parameters and text of a receipt; the parameters win',
  tlv: 'the parameters of a receipt only',
  text: 'the text of a receipt only',
} as const

const RULE_WORDS: Readonly<Record<OperatorProfile['idRules'][number], string>> = {
  exact: 'as they are',
  lower: 'without regard to case',
  zeros: 'without leading zeros',
  hex2dec: 'hexadecimal in the response, decimal in the receipt',
  dec2hex: 'decimal in the response, hexadecimal in the receipt',
  hyphens: 'without hyphens',
}

export const idRulesInWords = (rules: Readonly<OperatorProfile['idRules']>): string =>
  (rules.length === 0 ? (['exact'] as const) : rules).map((rule) => RULE_WORDS[rule]).join(', then ')

function receiptsOf({ idRules, receiptSource, receiptScope, timeZone }: OperatorProfile): readonly string[] {
  return [
    `Message ids are compared ${idRulesInWords(idRules)}.`,
    `Id and status come from ${SOURCE_WORDS[receiptSource]}.`,
    receiptScope === 'all'
      ? 'Every segment of a long message gets a receipt.'
      : `Only the ${receiptScope} segment of a long message gets a receipt.`,
    `Dates in receipts are of the zone ${timeZone}.`,
  ]
}
