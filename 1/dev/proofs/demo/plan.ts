import { segmentCount } from '../../../streams/domain/message/text-segments.ts'

/**
 * The sample traffic: which messages are sent and how each must end. Pure: the same seed gives the
 * same plan, so a failed run can be run again. Every text carries a token of its own, by which the
 * operator's log is compared with what was submitted.
 */
export type Expected =
  | 'DELIVERED'
  | 'UNDELIVERED'
  | 'EXPIRED'
  | 'REJECTED'
  | 'FAILED'
  | 'PARTIAL'
  /** Before it was sent: no route. */
  | 'FAILED_UNSENT'
  | 'DEAD_LETTER'
  /** Its receipt never matches: open until the 24 h grace. */
  | 'SENT'

export interface PlannedMessage {
  readonly token: string
  readonly tenant: number
  readonly idempotencyKey: string
  readonly to: string
  readonly from: string
  readonly body: string
  readonly messageType: 'SMS' | 'FLASH_SMS'
  readonly segments: number
  readonly expected: Expected
  /**
   * The same submission is made once more: it must be answered with the first reply and change
   * nothing.
   */
  readonly repeated: boolean
}

interface Kind {
  /** Of a thousand messages. */
  readonly permille: number
  readonly prefix: string
  /**
   * Last three digits, by which the simulated operator knows what to do; absent: any of 000 to 899.
   */
  readonly digits?: string
  readonly expected: Expected
  /** What a single-segment message comes to, where it differs. */
  readonly single?: Expected
  /** One segment only: throttled three times a segment, a long message would wait for minutes. */
  readonly short?: true
}

const UK = '+4477009'
const HEX = '+9370300'
const AF = '+9378400'

/** Destinations that fail, each in its own way; the rest is delivered by one of two operators. */
const KINDS: readonly Kind[] = [
  { permille: 20, prefix: UK, digits: '901', expected: 'UNDELIVERED' },
  { permille: 20, prefix: UK, digits: '902', expected: 'REJECTED' },
  { permille: 10, prefix: UK, digits: '903', expected: 'REJECTED' },
  { permille: 20, prefix: UK, digits: '904', expected: 'EXPIRED' },
  { permille: 10, prefix: UK, digits: '905', expected: 'FAILED' },
  { permille: 10, prefix: UK, digits: '906', expected: 'FAILED' },
  { permille: 10, prefix: UK, digits: '907', expected: 'DELIVERED' },
  { permille: 10, prefix: UK, digits: '908', expected: 'UNDELIVERED' },
  { permille: 50, prefix: UK, digits: '910', expected: 'DELIVERED' },
  { permille: 10, prefix: UK, digits: '912', expected: 'DELIVERED' },
  { permille: 20, prefix: UK, digits: '913', expected: 'DELIVERED' },
  { permille: 30, prefix: HEX, digits: '914', expected: 'DELIVERED' },
  { permille: 10, prefix: UK, digits: '915', expected: 'DELIVERED' },
  { permille: 5, prefix: UK, digits: '917', expected: 'SENT' },
  { permille: 20, prefix: UK, digits: '919', expected: 'PARTIAL', single: 'DELIVERED' },
  { permille: 10, prefix: UK, digits: '921', expected: 'DELIVERED' },
  { permille: 10, prefix: UK, digits: '922', expected: 'DELIVERED' },
  { permille: 10, prefix: UK, digits: '923', expected: 'DELIVERED' },
  { permille: 10, prefix: UK, digits: '926', expected: 'DELIVERED' },
  { permille: 5, prefix: UK, digits: '930', expected: 'DELIVERED', short: true },
  { permille: 5, prefix: UK, digits: '932', expected: 'DELIVERED' },
  { permille: 5, prefix: '+447999000', expected: 'FAILED_UNSENT' },
  { permille: 5, prefix: '+447999020', expected: 'DELIVERED' },
  { permille: 5, prefix: '+447999090', expected: 'DEAD_LETTER' },
  { permille: 200, prefix: AF, expected: 'DELIVERED' },
]
const ORDINARY: Kind = { permille: 0, prefix: UK, expected: 'DELIVERED' }

const REPEATED_PERMILLE = 50
const FLASH_PERMILLE = 30
const LONG_PERMILLE = 200
const UCS2_PERMILLE = 150
const TENANTS = 2
const WORDS = 'the quick brown fox jumps over a lazy dog while ten {bright} stars [shine] on the sea '
const WIDE_WORDS = 'привет мир 😀 добрый день 🌍 до встречи '

/** Mulberry32: small, seeded, good enough for a plan. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function planMessages(count: number, seed: number): readonly PlannedMessage[] {
  const random = seeded(seed)
  return Array.from({ length: count }, (_, index) => planOne(index, seed, random))
}

function planOne(index: number, seed: number, random: () => number): PlannedMessage {
  const token = `#${seed.toString(36)}.${index.toString(36)}#`
  const kind = kindOf(random)
  const body = bodyOf(token, kind.short !== true && chance(random, LONG_PERMILLE), random)
  const segments = segmentCount(body)
  return {
    token,
    tenant: index % TENANTS,
    idempotencyKey: `demo-${seed}-${index}`,
    to: destination(kind, random),
    from: index % 3 === 0 ? '+447700900999' : 'GHASI',
    body,
    messageType: chance(random, FLASH_PERMILLE) ? 'FLASH_SMS' : 'SMS',
    segments,
    expected: segments === 1 ? (kind.single ?? kind.expected) : kind.expected,
    repeated: chance(random, REPEATED_PERMILLE),
  }
}

const chance = (random: () => number, permille: number): boolean => random() * 1000 < permille

function kindOf(random: () => number): Kind {
  let at = random() * 1000
  for (const kind of KINDS) {
    if (at < kind.permille) return kind
    at -= kind.permille
  }
  return ORDINARY
}

/**
 * UK and Afghan numbers are 12 and 11 digits long; the last three choose the operator's behaviour.
 */
function destination(kind: Kind, random: () => number): string {
  const digits = kind.digits ?? String(Math.floor(random() * 900)).padStart(3, '0')
  const length = kind.prefix.startsWith('+44') ? 13 : 12
  const free = length - kind.prefix.length - digits.length
  const middle = Array.from({ length: free }, () => Math.floor(random() * 10)).join('')
  return `${kind.prefix}${middle}${digits}`
}

function bodyOf(token: string, long: boolean, random: () => number): string {
  const wide = chance(random, UCS2_PERMILLE)
  const parts = long ? 2 + Math.floor(random() * 4) : 1
  const perPart = wide ? 60 : 140
  const length = long ? perPart * parts : 20 + Math.floor(random() * 30)
  return `${token} ${fill(wide ? WIDE_WORDS : WORDS, length - token.length - 1)}`.trim()
}

/** Whole code points only: a cut surrogate pair would be another text than the one submitted. */
function fill(words: string, length: number): string {
  let text = ''
  for (const point of words.repeat(Math.ceil(length / words.length) + 1)) {
    if (text.length + point.length > length) break
    text += point
  }
  return text
}
