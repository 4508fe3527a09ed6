import { decodeUcs2 } from '../../streams/domain/message/gsm7.ts'

/** What the text of a receipt says, each value as written; absent keys are absent [R3]. */
export interface ReceiptText {
  readonly id?: string
  readonly stat?: string
  readonly err?: string
  readonly doneDate?: string
}

// The sender's words follow `text:` and may hold anything, forged keys included: nothing after it
// is looked at [R10].
const TEXT_KEY = /(?:^|[\s\0])text:/i
const KEY = /(?<=^|[\s\0])(id|sub|dlvrd|submit ?date|done ?date|stat|err)\s?:/gi
/** Some operators pad with NUL, blanks or the septet 0 that became a commercial at. */
const PADDING_END = /[\0\s@]+$/
const VALUE = /[^\s\0]+/

const FIELD_OF: Readonly<Record<string, keyof ReceiptText>> = {
  id: 'id',
  stat: 'stat',
  err: 'err',
  'done date': 'doneDate',
  donedate: 'doneDate',
}

/**
 * Reads `id: sub: dlvrd: submit date: done date: stat: err: text:` in any order and case, with keys
 * missing or unknown between them. A value is the first word before the next known key; of a
 * repeated key the first one counts.
 */
export function parseReceiptText(text: string): ReceiptText {
  const head = text.slice(0, TEXT_KEY.exec(text)?.index ?? text.length).replace(PADDING_END, '')
  const keys = [...head.matchAll(KEY)]
  const read: { -readonly [Field in keyof ReceiptText]: ReceiptText[Field] } = {}
  for (const [at, key] of keys.entries()) {
    const field = FIELD_OF[(key[1] ?? '').toLowerCase()]
    const value = wordIn(head.slice(key.index + key[0].length, keys[at + 1]?.index))
    if (field !== undefined && value !== undefined) read[field] ??= value
  }
  return read
}

/** A word with a colon is the next, unknown key: the value before it is empty. */
function wordIn(value: string): string | undefined {
  const word = VALUE.exec(value)?.[0]
  return word === undefined || word.includes(':') ? undefined : word
}

const UCS2_BITS = 0x0c
const UCS2 = 0x08
/**
 * `_` of the default alphabet (3GPP TS 23.038): the only character of a receipt whose septet is not
 * its ASCII code.
 */
const SEPTET_UNDERSCORE = String.fromCharCode(0x11)

/**
 * The text of a receipt by its data_coding [R5]. Under UCS-2 some operators still send ASCII: keys
 * that are readable as single octets prove it, since in UCS-2 a NUL stands between any two letters.
 */
export function receiptTextOf(octets: Buffer, dataCoding: number): string {
  const singleOctets = octets.toString('latin1')
  const saysUcs2 = (dataCoding & UCS2_BITS) === UCS2
  if (saysUcs2 && !/(?:id|stat):/i.test(singleOctets)) return decodeUcs2(octets)
  return singleOctets.replaceAll(SEPTET_UNDERSCORE, '_')
}
