import { STATUS } from './pdu.ts'
import type { ReceiptStep, Scenario } from './script.ts'

/** One segment as the script sees it. */
export interface Arrival {
  /** Counted from 1. */
  readonly index: number
  readonly total: number
  /** How often this segment has arrived, this time included. */
  readonly tries: number
  readonly wantsReceipt: boolean
}

export interface Plan {
  /** Taken: it has an id, counts as sent to the subscriber, and gets receipts. */
  readonly isTaken: boolean
  readonly reply: Reply
  readonly receipts: readonly ReceiptStep[]
}

export interface Response {
  readonly kind: 'respond'
  readonly status: number
  readonly withId: boolean
  readonly nack: boolean
}

export type Reply =
  | Response
  | { readonly kind: 'respond-late' }
  | { readonly kind: 'silence' }
  | { readonly kind: 'hang-up' }

const ACCEPTED: Response = { kind: 'respond', status: STATUS.ROK, withId: true, nack: false }

/** Turns a row of the script and one arrival into what the operator does. */
export function planFor(scenario: Scenario, arrival: Arrival): Plan {
  const { answer } = scenario
  const receipts = arrival.wantsReceipt ? receiptsFor(scenario.receipts, arrival) : []
  if (answer.kind === 'accept' || arrival.tries > answer.tries)
    return { isTaken: true, reply: ACCEPTED, receipts }
  if (answer.kind === 'silent')
    return { isTaken: true, reply: { kind: answer.late === true ? 'respond-late' : 'silence' }, receipts }
  if (answer.kind === 'anonymous') return { isTaken: true, reply: { ...ACCEPTED, withId: false }, receipts }
  if (answer.kind === 'hang-up')
    return answer.taken ? { isTaken: true, reply: HANG_UP, receipts } : notTaken(HANG_UP)
  if (answer.segment !== undefined && answer.segment !== arrival.index)
    return { isTaken: true, reply: ACCEPTED, receipts }
  return notTaken({ ...ACCEPTED, status: answer.status, withId: false, nack: answer.nack === true })
}

const HANG_UP: Reply = { kind: 'hang-up' }

const notTaken = (reply: Reply): Plan => ({ isTaken: false, reply, receipts: [] })

const receiptsFor = (steps: readonly ReceiptStep[], { index, total }: Arrival): readonly ReceiptStep[] =>
  steps.filter(({ segments }) => {
    if (segments === 'first') return index === 1
    if (segments === 'others') return index > 1
    return segments === 'all' || index === total
  })
