import type { SubmitResult } from '../../../../streams/contracts/outbound.ts'
import type { Receipt, SegmentFact } from '../../../../streams/contracts/receipts.ts'
import { eventId, HOUR_MS, instant, MINUTE_MS, operatorOf } from './ids.ts'
import { canonical } from '../readings.ts'

/**
 * [D11] to [D29] for one message, stated again as a small pure model. It knows no replays: what a
 * replay has repeated is left out of its inputs. Effects are texts, so that two histories can be
 * compared as multisets.
 */
interface Part {
  status: string
  operatorId?: string
  /** Of what gave it its status. */
  errorCode?: string | undefined
  receivedAt?: string
  /** Ended by its own submission. */
  refused?: boolean
  identities: string[]
}

export interface Model {
  about: { operatorId: string; segmentCount: number; to: string } | null
  expected: number
  sentMs: number | null
  submittedMs: number | null
  /** An operator had a part of it. */
  accepted: boolean
  parts: Part[]
  toldUnknown: boolean
  outcome: { status: string; at: string } | null
  effects: string[]
}

export const NEW_MODEL: Model = {
  about: null,
  expected: 0,
  sentMs: null,
  submittedMs: null,
  accepted: false,
  parts: [],
  toldUnknown: false,
  outcome: null,
  effects: [],
}

export type Input =
  | { readonly kind: 'result'; readonly result: SubmitResult }
  | { readonly kind: 'fact'; readonly fact: SegmentFact }

const TERMINAL = ['DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED', 'FAILED']
const isTerminal = (status: string): boolean => TERMINAL.includes(status)

export function taken(before: Model, input: Input): Model {
  const model = structuredClone(before)
  if (input.kind === 'result') takeResult(model, input.result)
  else if (input.fact.kind === 'EXPECTED') takeExpected(model, input.fact)
  else if (input.fact.kind === 'RECEIPT') takeReceipt(model, input.fact)
  else return refused(model, input.fact.sentAt)
  model.effects.sort()
  return model
}

/** [T10]: a message of which nothing else is known is known no more. */
const refused = (model: Model, sentAt: string): Model =>
  model.outcome === null && model.submittedMs === null && model.sentMs === Date.parse(sentAt)
    ? NEW_MODEL
    : model

/**
 * When the grace of this message ends, epoch milliseconds; null once it is closed, or before
 * anything is known.
 */
export function graceEndMs({ about, outcome, submittedMs, sentMs }: Model): number | null {
  const base = submittedMs ?? sentMs
  return about === null || outcome !== null || base === null ? null : base + 24 * HOUR_MS
}

/** [D26], [D26b]. */
export function graceEnded(before: Model): Model {
  const model = structuredClone(before)
  const atMs = graceEndMs(model)
  if (atMs === null) return model
  const status = model.accepted ? 'PARTIAL' : 'FAILED'
  const closedBy = model.accepted ? 'GRACE_EXPIRED' : 'NOT_SENT'
  const record = close(model, status, instant(atMs), closedBy)
  const told = { record: 'PARTIAL_TIMEOUT', at: instant(atMs), closedBy, outcome: record }
  model.effects.push(canonical(told))
  model.effects.sort()
  return model
}

/** [D13]. */
function takeExpected(model: Model, fact: Extract<SegmentFact, { kind: 'EXPECTED' }>): void {
  if (model.outcome !== null) return
  const { operatorId, segmentCount, to, expectedSegments, sentAt } = fact
  model.about = { operatorId: model.about?.operatorId ?? operatorId, segmentCount, to }
  model.sentMs = Math.max(model.sentMs ?? 0, Date.parse(sentAt))
  if (model.submittedMs === null) model.expected = expectedSegments
}

function submitted(
  model: Model,
  given: { to: string; submittedAt: string; segmentCount: number },
  total: number,
  operatorId: string,
) {
  const { to, segmentCount } = given
  model.about ??= { operatorId, segmentCount, to }
  if (model.submittedMs === null) model.expected = total
  model.submittedMs = Math.max(model.submittedMs ?? 0, Date.parse(given.submittedAt))
}

function partOf(model: Model, index: number): Part {
  while (model.parts.length < Math.max(index, model.expected))
    model.parts.push({ status: 'PENDING', identities: [] })
  const part = model.parts[index - 1]
  if (part === undefined) throw new Error(`there is no part ${index}`)
  return part
}

/** [D12] to [D15]. */
function takeResult(model: Model, result: SubmitResult): void {
  if (model.outcome !== null) return
  submitted(model, result, result.totalSegments, result.operatorId)
  const part = partOf(model, result.segmentIndex)
  if (result.outcome === 'ACCEPTED') {
    model.accepted = true
    if (part.status === 'PENDING') Object.assign(part, { status: 'SUBMITTED', operatorId: result.operatorId })
    return takeAccepted(model, result)
  }
  if (isTerminal(part.status)) return
  const { operatorId, submittedAt: receivedAt } = result
  Object.assign(part, { status: result.outcome, operatorId, receivedAt, errorCode: undefined, refused: true })
  const outcome = evaluate(model, result.submittedAt)
  model.effects.push(
    canonical({
      record: 'SEGMENT',
      id: eventId('record', 'SEGMENT', result.eventId),
      status: result.outcome,
      at: result.submittedAt,
      outcome,
    }),
  )
}

/** The operator may have spoken for this segment before it had accepted it [PD2]. */
function takeAccepted(model: Model, result: SubmitResult): void {
  const { operatorId, segmentIndex, submittedAt } = result
  if (!speak(model, operatorId).includes(segmentIndex)) return
  const { status, receivedAt: at = '' } = partOf(model, segmentIndex)
  const outcome = evaluate(model, at > submittedAt ? at : submittedAt)
  const id = eventId('record', 'SEGMENT', result.eventId)
  model.effects.push(canonical({ record: 'SEGMENT', id, status, at, outcome }))
}

/** The segments that have now ended as the first one has, on which alone their operator reports. */
function speak({ parts }: Model, operatorId: string): readonly number[] {
  const [first] = parts
  const isSaid = first !== undefined && first.operatorId === operatorId && isTerminal(first.status)
  if (operatorOf(operatorId).reports === 'all' || !isSaid || first.refused === true) return []
  return parts.flatMap((part, place) => {
    if (part.operatorId !== operatorId || part.status === 'PENDING' || isTerminal(part.status)) return []
    Object.assign(part, { status: first.status, errorCode: first.errorCode, receivedAt: first.receivedAt })
    return [place + 1]
  })
}

/** [D16] to [D24]. */
function takeReceipt(model: Model, fact: Extract<SegmentFact, { kind: 'RECEIPT' }>): void {
  const { receipt, segmentIndex, submission, totalSegments } = fact
  const { dlrStatus, operatorId, operatorMessageId, eventId: cause } = receipt
  if (model.outcome !== null) return takeAfterClosing(model, model.outcome, receipt, segmentIndex)
  if (
    model.about === null &&
    submission !== undefined &&
    isPast(receipt.receivedAt, submission.submittedAt)
  ) {
    // It was known once, and has had its outcome.
    model.effects.push(canonical({ record: 'LATE', cause, terminalAt: null }))
    return
  }
  if (submission !== undefined) submitted(model, submission, totalSegments, operatorId)
  const part = partOf(model, segmentIndex)
  const identity = eventId('receipt', operatorId, operatorMessageId, dlrStatus)
  if (part.identities.includes(identity)) return // [D21]
  part.identities.push(identity)
  model.accepted = true
  const applied = !isTerminal(part.status)
  let outcome: object | null = null
  if (applied) {
    const { errorCode, receivedAt } = receipt
    Object.assign(part, { status: dlrStatus, operatorId, receivedAt, errorCode })
    if (dlrStatus === 'UNKNOWN') tellUnknown(model, receivedAt)
    else {
      const spoken = speak(model, operatorId).map((index) => ({
        record: 'SEGMENT',
        id: eventId('record', 'SEGMENT', cause, index),
        status: dlrStatus,
        at: receivedAt,
        outcome: null,
      }))
      model.effects.push(...spoken.map((record) => canonical(record)))
      outcome = evaluate(model, receivedAt)
    }
  }
  model.effects.push(canonical({ record: 'RECEIPT', cause, applied, outcome }))
}

const isPast = (receivedAt: string, submittedAt: string): boolean =>
  Date.parse(receivedAt) - Date.parse(submittedAt) > 24 * HOUR_MS

/** [D18] to [D20]. */
function takeAfterClosing(model: Model, closed: { at: string }, receipt: Receipt, index: number): void {
  const { dlrStatus, receivedAt, deliveredAt, eventId: cause } = receipt
  const buffered = deliveredAt !== null && Date.parse(receivedAt) - Date.parse(deliveredAt) > 5 * MINUTE_MS
  const stale = buffered && Date.parse(receivedAt) - Date.parse(closed.at) > 24 * HOUR_MS
  if (!stale && partOf(model, index).status === dlrStatus) return
  model.effects.push(canonical({ record: stale ? 'QUARANTINED' : 'LATE', cause, terminalAt: closed.at }))
}

/** No receipt will come for it. */
const isSilent = ({ status, operatorId }: Part, place: number): boolean =>
  status === 'SUBMITTED' && place > 0 && operatorOf(operatorId ?? '').reports === 'first'

/** [D23]. */
function tellUnknown(model: Model, at: string): void {
  const { parts, expected, toldUnknown } = model
  const answered =
    parts.length === expected &&
    parts.every(
      (part, place) => part.status === 'UNKNOWN' || isTerminal(part.status) || isSilent(part, place),
    )
  if (toldUnknown || !answered) return
  model.toldUnknown = true
  model.effects.push(canonical({ webhook: 'UNKNOWN', at, segments: segmentsOf(model), ...toldOf(model) }))
}

/** [D27]; the outcome that the record of its cause carries. */
function evaluate(model: Model, at: string): object | null {
  const statuses = model.parts.map(({ status }) => status)
  if (statuses.length < model.expected || !statuses.every(isTerminal)) return null
  const [first = ''] = statuses
  if (statuses.includes('FAILED')) return close(model, 'FAILED', at, 'ALL_RECEIVED')
  const status = statuses.every((one) => one === first) ? first : 'PARTIAL'
  return close(model, status, at, 'ALL_RECEIVED')
}

/** [D29]. */
function close(model: Model, status: string, at: string, closedBy: string): object {
  model.outcome = { status, at }
  const { parts, expected, about } = model
  const received = parts.filter((part) => isTerminal(part.status)).length
  const segments = segmentsOf(model)
  const { operatorId, to } = toldOf(model)
  const delivered = parts.filter((part) => part.status === 'DELIVERED').length
  const segmentCount = about?.segmentCount ?? 0
  const isWhole = expected === 1 && segmentCount > 1
  const deliveredSegments = isWhole ? delivered * segmentCount : delivered
  model.effects.push(
    canonical({ aggregated: status, received, expected, closedBy, operatorId, segments, at }),
    ...(closedBy === 'NOT_SENT'
      ? []
      : [canonical({ billing: status, segmentCount, deliveredSegments, operatorId, at })]),
    canonical({ webhook: status, at, segments, operatorId, to }),
  )
  return { status, at, received, expected }
}

const toldOf = ({ parts, about }: Model) => ({
  operatorId: parts[0]?.operatorId ?? about?.operatorId ?? '',
  to: about?.to ?? '',
})

function segmentsOf(model: Model): object[] {
  for (let index = 1; index <= model.expected; index += 1) partOf(model, index)
  return model.parts.map(({ status, errorCode, receivedAt }, index) => ({
    segmentIndex: index + 1,
    status: status === 'SUBMITTED' ? 'PENDING' : status,
    ...(errorCode !== undefined && { errorCode }),
    ...(receivedAt !== undefined && { receivedAt }),
  }))
}
