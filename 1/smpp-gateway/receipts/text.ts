/** What the text of a receipt says, each value as written; absent keys are absent [R3]. */
export interface ReceiptText {
  readonly id?: string
  readonly stat?: string
  readonly err?: string
  readonly doneDate?: string
  /** It has the form of a receipt: id and status, and a count or a date with them [R1]. */
  readonly isStrict: boolean
}

// The sender's words follow `text:` and may hold anything, forged keys included: nothing after it
// is looked at [R10].
const TEXT_KEY = /(?:^|[\s\0,;|])text\s?:/i
const KEY =
  /(?<=^|[\s\0,;|])(message[ _]?id|id|sub|dlvrd|submit[\s_]*date|done[\s_]*date|status|stat|error|err)\s?:/gi
/** Some operators pad with NUL, blanks or the septet 0 that became a commercial at. */
const PADDING = /[\0\s@]/
const WORD = /^([\s\0]*)([^\s\0,;|]+)/
const QUOTES = /^(["'])(.*)\1$/

type Field = 'id' | 'stat' | 'err' | 'doneDate' | 'submitDate' | 'sub' | 'dlvrd'

/** Keys as operators spell them, without blanks and underscores. */
const FIELD_OF: Readonly<Record<string, Field>> = {
  id: 'id',
  messageid: 'id',
  stat: 'stat',
  status: 'stat',
  err: 'err',
  error: 'err',
  donedate: 'doneDate',
  submitdate: 'submitDate',
  sub: 'sub',
  dlvrd: 'dlvrd',
}

const DATES: ReadonlySet<Field> = new Set<Field>(['doneDate', 'submitDate'])

/**
 * Words of SMPP 3.4 Appendix B, and what operators write for them: one standing alone counts [R10].
 */
const LONE_STATUS =
  /(?:^|[\s\0,;|])(DELIVRD|DELIVERED|EXPIRED|DELETED|UNDELIV|UNDELIVERED|UNDELIVERABLE|ACCEPTD|ACCEPTED|REJECTD|REJECTED|ENROUTE)(?=$|[\s\0,;|])/i

/**
 * The form of SMPP 3.4 Appendix B to the letter, with plain values: nine receipts in ten, and a
 * tenth of the work. What it matches, the rules below would read alike.
 */
const PLAIN =
  /^id:([\w-]+) sub:\d+ dlvrd:\d+ submit date:\d+ done date:(\d+) stat:([A-Z]+) err:(\w+)(?: [Tt]ext:|$)/

/**
 * Reads `id: sub: dlvrd: submit date: done date: stat: err: text:` in any order and case, in the
 * spellings and with the separators that operators use, with keys missing or unknown between them.
 * Of a repeated key the first one counts.
 */
export function parseReceiptText(text: string): ReceiptText {
  const plain = PLAIN.exec(text)
  if (plain !== null) {
    const [, id = '', doneDate = '', stat = '', err = ''] = plain
    return { id, stat, err, doneDate, isStrict: true }
  }
  const head = withoutPadding(text.slice(0, TEXT_KEY.exec(text)?.index ?? text.length))
  const read = fieldsIn(head)
  const lone = read.has('stat') ? undefined : LONE_STATUS.exec(head)?.[1]
  if (lone !== undefined) read.set('stat', lone)
  return textOf(read)
}

// Not by an expression with a `$`: within 65,535 blanks it would begin anew at each of them, for
// seconds.
function withoutPadding(text: string): string {
  let end = text.length
  while (end > 0 && PADDING.test(text.charAt(end - 1))) end -= 1
  return text.slice(0, end)
}

function fieldsIn(head: string): Map<Field, string> {
  const read = new Map<Field, string>()
  const keys = [...head.matchAll(KEY)]
  for (const [at, key] of keys.entries()) {
    const field = FIELD_OF[(key[1] ?? '').toLowerCase().replaceAll(/[\s_]/g, '')]
    if (field === undefined || read.has(field)) continue
    const rest = head.slice(key.index + key[0].length, keys[at + 1]?.index)
    const value = DATES.has(field) ? dateIn(rest) : wordIn(rest)
    if (value !== undefined) read.set(field, value)
  }
  return read
}

function textOf(read: ReadonlyMap<Field, string>): ReceiptText {
  const [id, stat, err, doneDate] = [read.get('id'), read.get('stat'), read.get('err'), read.get('doneDate')]
  const hasMore = read.has('sub') || doneDate !== undefined || read.has('submitDate')
  return {
    ...(id !== undefined && { id }),
    ...(stat !== undefined && { stat }),
    ...(err !== undefined && { err }),
    ...(doneDate !== undefined && { doneDate }),
    isStrict: id !== undefined && stat !== undefined && hasMore,
  }
}

/**
 * The first word. One with a colon in it is the next, unknown key when a blank stands before it or
 * nothing behind the colon: then the value is empty. Written onto its key it is a value.
 */
function wordIn(rest: string): string | undefined {
  const [, blank = '', word] = WORD.exec(rest) ?? []
  if (word === undefined || word.endsWith(':') || (blank !== '' && word.includes(':'))) return undefined
  return word.replace(QUOTES, '$2')
}

/** A date may hold a blank and colons; what follows the next separator is another matter. */
function dateIn(rest: string): string | undefined {
  const value = /^[\s\0]*([^,;|\0]*)/.exec(rest)?.[1]?.trim()
  return value === undefined || value === '' ? undefined : value
}
