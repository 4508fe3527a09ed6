import { createHash } from 'node:crypto'
import { submitResults } from '../../../../streams/contracts/outbound.ts'
import {
  dlrRecords,
  inboundReceipts,
  receiptLookups,
  segmentFacts,
  sentSegments,
  unmatchedReceipts,
  type InboundReceipt,
  type Receipt,
} from '../../../../streams/contracts/receipts.ts'
import { eventId, HOUR_MS, instant, MINUTE_MS, operatorOf } from './ids.ts'
import { byKey, canonical, readings, sameTexts, type Complain } from '../readings.ts'
import { FLOODED_ID } from '../traffic.ts'
import type { World } from '../world.ts'

/**
 * [N1] to [N4] and [D1] to [D10], stated again: which receipts pass, and that each of them is
 * joined or an orphan, once.
 */
export function checkReceipts(world: World, complain: Complain): void {
  const lookups = readings(world.log, receiptLookups)
  const passed = expectedReceipts(world)
  sameTexts(
    complain,
    'dlr.lookup',
    passed.map((receipt) => canonical(receipt)),
    lookups.map(({ value }) => canonical(value.receipt)),
  )
  checkSent(world, complain)
  checkDecisions(world, passed, complain)
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

/** As the operator's receipts write the id of a submission. */
export const receiptIdOf = (operatorId: string, submitted: string): string =>
  operatorOf(operatorId).ids === 'exact' ? submitted : BigInt(`0x${submitted}`).toString(10)

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
  const firstSent = firstSentMs(world)
  const looked = new Map(
    readings(world.log, receiptLookups).map(({ value, record }) => [value.receipt.eventId, record]),
  )
  for (const { receipt, orphanId } of orphans) {
    if (orphanId !== eventId('orphan', receipt.eventId)) complain(`orphan ${orphanId} has a foreign id`)
    const sentMs = firstSent.get(`${receipt.operatorId}:${receipt.operatorMessageId}`)
    const lookup = looked.get(receipt.eventId)
    // The record time of both is that of their input: what the log had before the receipt must have
    // been waited for.
    if (sentMs !== undefined && lookup !== undefined && sentMs < lookup.timestamp)
      complain(
        `receipt ${receipt.eventId} became an orphan although its submit result came ${lookup.timestamp - sentMs} ms before it`,
      )
  }
}

const isFlood = ({ operatorMessageId }: Receipt): boolean => operatorMessageId === FLOODED_ID

/** What passes again of a flood is decided again, or waits with the first of it. */
function floodsOnce(receipts: readonly Receipt[]): string[] {
  const flood = new Set(receipts.filter(isFlood).map((receipt) => canonical(receipt)))
  return [...receipts.filter((one) => !isFlood(one)).map((receipt) => canonical(receipt)), ...flood]
}

function firstSentMs(world: World): ReadonlyMap<string, number> {
  const first = new Map<string, number>()
  for (const { key, record } of readings(world.log, sentSegments))
    first.set(key, Math.min(first.get(key) ?? Number.POSITIVE_INFINITY, record.timestamp))
  return first
}

/** A receipt speaks for the segment that got its id. */
function checkJoins(world: World, complain: Complain): void {
  const results = new Map(
    readings(world.log, submitResults).flatMap(({ value }) =>
      value.operatorMessageId === undefined
        ? []
        : [[`${value.operatorId}:${receiptIdOf(value.operatorId, value.operatorMessageId)}`, value] as const],
    ),
  )
  for (const { value } of readings(world.log, segmentFacts)) {
    if (value.kind !== 'RECEIPT') continue
    const { receipt, submission, correlatedAt, eventId: id, ...fact } = value
    const result = results.get(`${receipt.operatorId}:${receipt.operatorMessageId}`)
    if (result === undefined) {
      complain(`receipt ${receipt.eventId} was joined with a segment that nobody sent`)
      continue
    }
    const { messageId, tenantId, accountId, enqueuedAt, segmentIndex, totalSegments } = result
    const { to, submittedAt, segmentCount, callbackUrl, metadata } = result
    const expected = { messageId, tenantId, accountId, enqueuedAt, segmentIndex, totalSegments }
    const { schemaVersion: _, occurredAt, kind: _kind, ...place } = fact
    const told = canonical([place, submission, id, occurredAt])
    const known = canonical([
      expected,
      { to, submittedAt, segmentCount, callbackUrl, metadata },
      eventId('fact', receipt.eventId),
      correlatedAt,
    ])
    if (told !== known) complain(`fact of receipt ${receipt.eventId} is ${told}, not ${known}`)
    if (correlatedAt > instant(world.time.wallMs))
      complain(`receipt ${receipt.eventId} was correlated in the future`)
  }
}
