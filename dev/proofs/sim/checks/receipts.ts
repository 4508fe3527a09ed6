import { createHash } from 'node:crypto'
import { submitResults, type SubmitResult } from '../../../../streams/contracts/outbound.ts'
import {
  dlrRecords,
  inboundReceipts,
  receiptLookups,
  segmentFacts,
  sentSegments,
  unmatchedReceipts,
  type InboundReceipt,
  type Receipt,
  type ReceiptFact,
  type ReceiptLookup,
} from '../../../../streams/contracts/receipts.ts'
import { candidatesOf, eventId, HOUR_MS, instant, MINUTE_MS, receiptIdOf } from './ids.ts'
import { byKey, canonical, readings, sameTexts, type Complain } from '../readings.ts'
import { FLOODED_ID } from '../traffic.ts'
import type { World } from '../world.ts'

/**
 * [N1] to [N4] and [D1] to [D10], stated again: which receipts pass, and that each of them is
 * joined or an orphan, once.
 */
export function checkReceipts(world: World, complain: Complain): void {
  const lookups = readings(world.log, receiptLookups).filter(({ value }) => isFirst(value))
  const passed = expectedReceipts(world)
  sameTexts(
    complain,
    'dlr.lookup',
    passed.map((receipt) => canonical(receipt)),
    lookups.map(({ value }) => canonical(value.receipt)),
  )
  checkSent(world, complain)
  checkWays(world, complain)
  checkDecisions(world, passed, complain)
}

const candidatesFor = ({ operatorId, operatorMessageId, alternateIds = [] }: Receipt): readonly string[] =>
  candidatesOf(operatorId, [operatorMessageId, ...alternateIds])

/** As `intake` writes it; every other one was handed on. */
const isFirst = ({ receipt, canonicalId, looks, byIdAlone }: ReceiptLookup): boolean =>
  canonicalId === candidatesFor(receipt)[0] && looks === undefined && byIdAlone === undefined

/** [K5]: a lookup is at each candidate once in each look, and at none for which it has no id. */
function checkWays(world: World, complain: Complain): void {
  const seen = new Set<string>()
  for (const { value } of readings(world.log, receiptLookups)) {
    const { receipt, canonicalId, looks, byIdAlone, candidates = [canonicalId] } = value
    const all = candidatesFor(receipt)
    const step = canonical([receipt.eventId, canonicalId, looks?.looks ?? 1, byIdAlone ?? false])
    if (canonical([...candidates]) !== canonical([...all]))
      complain(`lookup of ${receipt.eventId} goes over ${candidates.join(', ')}`)
    if (!all.includes(canonicalId)) complain(`lookup of ${receipt.eventId} is at ${canonicalId}`)
    if (seen.has(step) && !isFlood(receipt)) complain(`lookup of ${receipt.eventId} comes twice: ${step}`)
    seen.add(step)
  }
}

const CANONICAL: Readonly<Record<string, Receipt['dlrStatus']>> = {
  DELIVRD: 'DELIVERED',
  UNDELIV: 'UNDELIVERED',
  EXPIRED: 'EXPIRED',
  DELETED: 'FAILED',
  REJECTD: 'REJECTED',
  FAILED: 'FAILED',
}

/** [D4] and [D5] over each key in the order of its partition. */
function expectedReceipts(world: World): Receipt[] {
  const passed: Receipt[] = []
  for (const list of byKey(readings(world.log, inboundReceipts)).values()) {
    const seen: { readonly eventId: string; readonly fingerprint: string; readonly at: number }[] = []
    for (const { value, record } of list) {
      const receipt = normalised(value)
      const at = record.timestamp
      const isKnown = seen.some(
        (one) =>
          (one.eventId === receipt.eventId && at - one.at < 72 * HOUR_MS) ||
          (one.fingerprint === receipt.fingerprint && at - one.at < 24 * HOUR_MS),
      )
      if (isKnown) continue
      const alive = seen.filter((one) => at - one.at < 72 * HOUR_MS)
      // What comes beyond so many of one id is not remembered: it passes as often as it comes [L3].
      if (alive.length < world.rows.seenMax)
        seen.splice(0, seen.length, ...alive, {
          eventId: receipt.eventId,
          fingerprint: receipt.fingerprint,
          at,
        })
      passed.push(receipt)
    }
  }
  return passed
}

function normalised(inbound: InboundReceipt): Receipt {
  const { schemaVersion: _, occurredAt, receivedAt = occurredAt, deliveredAt = null, ...rest } = inbound
  const dlrStatus = CANONICAL[rest.stat.trim().toUpperCase()] ?? 'UNKNOWN'
  const minute = Math.floor(Date.parse(receivedAt) / MINUTE_MS)
  const statement = [rest.operatorId, rest.operatorMessageId, dlrStatus, minute].join('|')
  const fingerprint = createHash('sha256').update(statement).digest('hex')
  return { ...rest, deliveredAt, receivedAt, dlrStatus, fingerprint }
}

/**
 * Every accepted submit result is re-keyed, as often as it is on the log: that processor keeps no
 * state.
 */
function checkSent(world: World, complain: Complain): void {
  const expected = readings(world.log, submitResults).flatMap(({ value }) =>
    value.operatorMessageId === undefined
      ? []
      : [
          `${value.operatorId}:${receiptIdOf(value.operatorId, value.operatorMessageId)} ${value.submittedAt}`,
        ],
  )
  const actual = readings(world.log, sentSegments).map(({ key, value }) => `${key} ${value.submittedAt}`)
  sameTexts(complain, 'dlr.sent', expected, actual)
}

function checkDecisions(world: World, passed: readonly Receipt[], complain: Complain): void {
  const facts = readings(world.log, segmentFacts).flatMap(({ value }) =>
    value.kind === 'RECEIPT' ? [value] : [],
  )
  const orphans = readings(world.log, dlrRecords).flatMap(({ value }) =>
    value.kind === 'ORPHAN' ? [value] : [],
  )
  const decided = [...facts, ...orphans].map(({ receipt }) => receipt)
  sameTexts(complain, 'decided receipts', floodsOnce(passed), floodsOnce(decided))
  const unmatched = readings(world.log, unmatchedReceipts).map(({ value }) => value.orphanId)
  const orphaned = orphans.map(({ orphanId }) => orphanId)
  sameTexts(complain, 'sms.dlr.unmatched', orphaned, unmatched)
  checkJoins(world, complain)
  const submissions = submissionsOf(world)
  const looked = lookedAtMs(world)
  for (const { receipt, orphanId } of orphans) {
    if (orphanId !== eventId('orphan', receipt.eventId)) complain(`orphan ${orphanId} has a foreign id`)
    const lookedMs = looked.get(receipt.eventId) ?? 0
    // The record time of both is that of their input: what the log had before the receipt must have
    // been waited for.
    for (const { sentMs } of submissions.for(receipt))
      if (sentMs < lookedMs)
        complain(
          `receipt ${receipt.eventId} became an orphan although its submit result came ${lookedMs - sentMs} ms before it`,
        )
  }
}

/** When each receipt was first looked for. */
const lookedAtMs = (world: World): ReadonlyMap<string, number> =>
  new Map(
    readings(world.log, receiptLookups)
      .filter(({ value }) => isFirst(value))
      .map(({ value, record }) => [value.receipt.eventId, record.timestamp]),
  )

const isFlood = ({ operatorMessageId }: Receipt): boolean => operatorMessageId === FLOODED_ID

/** What passes again of a flood is decided again, or waits with the first of it. */
function floodsOnce(receipts: readonly Receipt[]): string[] {
  const flood = new Set(receipts.filter(isFlood).map((receipt) => canonical(receipt)))
  return [...receipts.filter((one) => !isFlood(one)).map((receipt) => canonical(receipt)), ...flood]
}

interface Submission {
  readonly result: SubmitResult
  /** When it was first on the log as a submission. */
  readonly sentMs: number
}

/** What was submitted, by the key under which its receipts look for it. */
function submissionsOf(world: World) {
  const sentMs = new Map<string, number>()
  for (const { value, record } of readings(world.log, sentSegments)) {
    const known = sentMs.get(value.eventId) ?? Number.POSITIVE_INFINITY
    sentMs.set(value.eventId, Math.min(known, record.timestamp))
  }
  const all = new Map<string, Map<string, Submission>>()
  for (const { value: result } of readings(world.log, submitResults)) {
    const { operatorId, operatorMessageId } = result
    if (operatorMessageId === undefined) continue
    const key = `${operatorId}:${receiptIdOf(operatorId, operatorMessageId)}`
    const under = all.get(key) ?? new Map<string, Submission>()
    const at = sentMs.get(eventId('sent', result.eventId)) ?? Number.POSITIVE_INFINITY
    all.set(key, under.set(result.eventId, { result, sentMs: at }))
  }
  return {
    for: (receipt: Receipt): readonly Submission[] =>
      candidatesFor(receipt).flatMap((id) => [...(all.get(`${receipt.operatorId}:${id}`)?.values() ?? [])]),
  }
}

/**
 * A receipt speaks for a segment that got one of its ids; and for one that went to its number if
 * such a one was on the log before it [K6].
 */
function checkJoins(world: World, complain: Complain): void {
  const submissions = submissionsOf(world)
  const looked = lookedAtMs(world)
  for (const { value } of readings(world.log, segmentFacts)) {
    if (value.kind !== 'RECEIPT') continue
    const { receipt, correlatedAt } = value
    const known = submissions.for(receipt)
    const told = known.find(({ result }) => placeOf(result) === toldBy(value))
    if (told === undefined) complain(`fact of receipt ${receipt.eventId} is ${toldBy(value)}`)
    const lookedMs = looked.get(receipt.eventId) ?? 0
    const own = known.filter(({ result, sentMs }) => result.to === receipt.destAddr && sentMs < lookedMs)
    if (own.length > 0 && told !== undefined && told.result.to !== receipt.destAddr)
      complain(`receipt ${receipt.eventId} was joined with the segment of another number`)
    if (value.eventId !== eventId('fact', receipt.eventId) || value.occurredAt !== correlatedAt)
      complain(`fact of receipt ${receipt.eventId} has a foreign id or time`)
    if (correlatedAt > instant(world.time.wallMs))
      complain(`receipt ${receipt.eventId} was correlated in the future`)
  }
}

const toldBy = (fact: ReceiptFact): string => {
  const { messageId, tenantId, accountId, enqueuedAt, segmentIndex, totalSegments, submission } = fact
  return canonical([messageId, tenantId, accountId, enqueuedAt, segmentIndex, totalSegments, submission])
}

function placeOf(result: SubmitResult): string {
  const { messageId, tenantId, accountId, enqueuedAt, segmentIndex, totalSegments } = result
  const { to, submittedAt, segmentCount, callbackUrl, metadata } = result
  const submission = { to, submittedAt, segmentCount, callbackUrl, metadata }
  return canonical([messageId, tenantId, accountId, enqueuedAt, segmentIndex, totalSegments, submission])
}
