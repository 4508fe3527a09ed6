import { createHash } from 'node:crypto'
import { z } from 'zod'

/** The simulator's own statement of [EV60] and [EV61]: it must not believe what it checks. */
const NAMESPACE = Buffer.from('4ad8b55f2b07580e81dab71bcd55d86b', 'hex')

/** UUIDv5 of the parts joined with `|`. */
export function eventId(...parts: readonly (string | number)[]): string {
  const digest = createHash('sha1').update(NAMESPACE).update(parts.join('|')).digest()
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80
  const hex = digest.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  )
}

export const instant = (ms: number): string => new Date(ms).toISOString()

export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
/** How far the clock of a process may be off. */
export const CLOCK_ERROR_MS_MAX = 2 * HOUR_MS

/**
 * How an operator behaves: whether it takes a message whole, and how it writes an id in receipts.
 */
export interface Operator {
  readonly operatorId: string
  readonly wire: 'CSMS' | 'TLV'
  readonly ids: 'exact' | 'hex2dec'
  /** Its receipts carry an id of their own beside that of the submission. */
  readonly carries: 'one' | 'two'
  /** It gives some ids out again, to other messages. */
  readonly reuses: boolean
  /** On which segments of a long message it reports, as its profile says. */
  readonly reports: 'all' | 'first'
}

export const OPERATORS: readonly Operator[] = [
  {
    operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
    wire: 'CSMS',
    ids: 'exact',
    carries: 'one',
    reuses: true,
    reports: 'all',
  },
  {
    operatorId: '0d1e2f30-58cc-4372-a567-0e02b2c3d480',
    wire: 'CSMS',
    ids: 'hex2dec',
    carries: 'one',
    reuses: false,
    reports: 'first',
  },
  {
    operatorId: '9a8b7c6d-58cc-4372-a567-0e02b2c3d481',
    wire: 'TLV',
    ids: 'exact',
    carries: 'two',
    reuses: false,
    reports: 'all',
  },
]

export function operatorOf(operatorId: string): Operator {
  const operator = OPERATORS.find((candidate) => candidate.operatorId === operatorId)
  if (operator === undefined) throw new Error(`there is no operator ${operatorId}`)
  return operator
}

/** As the operator's receipts write the id of a submission. */
export const receiptIdOf = (operatorId: string, submitted: string): string =>
  operatorOf(operatorId).ids === 'exact' ? submitted : BigInt(`0x${submitted}`).toString(10)

/** [K4], stated again: under which ids a receipt is looked for, in order. */
export function candidatesOf(operatorId: string, ids: readonly string[]): readonly string[] {
  if (operatorOf(operatorId).ids === 'exact') return [...new Set(ids)]
  return [...new Set(ids.flatMap((id) => [BigInt(id).toString(10), BigInt(`0x${id}`).toString(10)]))]
}

/** The configuration that tells the platform how this operator writes ids. */
export const canonicalRulesOf = (operatorId: string): readonly ('exact' | 'hex2dec')[] => [
  operatorOf(operatorId).ids,
]

/** What comes from outside or belongs to the bridges, and is no topology's word. */
export const EDGES: readonly string[] = [
  'sms.outbound.request',
  'sms.outbound.cancel',
  'smpp.submit.result',
  'sms.dlr.inbound',
  'operator.health',
  'bridge.marks',
  'bridge.deadletter',
]

export const Identified = z.object({ eventId: z.string() })
