import type { BillingRecord, Evidence, NatsRecord } from './evidence.ts'
import type { Expected, PlannedMessage } from './plan.ts'

/**
 * What must be true after any run, with or without kills. Pure: evidence in, violations out; an
 * empty list is success.
 */
export interface Expectation {
  readonly message: PlannedMessage
  readonly messageId: string
}

export interface Verdict {
  readonly violations: readonly string[]
  readonly lost: number
  /** Segments that the operator took twice although nothing put them in doubt. */
  readonly duplicatesAtOperator: number
  readonly duplicatesInDoubt: number
}

const OUTCOMES: ReadonlySet<string> = new Set([
  'DELIVERED',
  'UNDELIVERED',
  'EXPIRED',
  'REJECTED',
  'FAILED',
  'PARTIAL',
])
export const hasOutcome = (expected: Expected): boolean => OUTCOMES.has(expected)
const rowStatusOf = (expected: Expected): string => (expected === 'FAILED_UNSENT' ? 'FAILED' : expected)

const VIOLATIONS_SHOWN_MAX = 40

export function judge(expectations: readonly Expectation[], evidence: Evidence): Verdict {
  const lost = checkRows(expectations, evidence)
  const duplicates = evidence.submits.filter((submit) => submit.duplicate && submit.accepted).length
  const unexplained = Math.max(0, duplicates - evidence.inDoubt)
  const violations = [
    ...lost,
    ...checkStrangers(expectations, evidence),
    ...checkOutcomes(expectations, evidence),
    ...checkBilling(expectations, evidence),
    ...checkWebhooks(expectations, evidence),
    ...checkSequences(evidence),
    ...checkSegments(expectations, evidence),
    ...checkMirrors(evidence),
    ...checkTexts(expectations, evidence),
    ...checkOrphans(expectations, evidence),
    ...(evidence.outboxRows === 0 ? [] : [`${evidence.outboxRows} rows are left in the outbox`]),
    ...(unexplained === 0 ? [] : [`the operator took ${unexplained} segments twice without a doubt`]),
    ...evidence.leaks.map((leak) => `personal data in a log: ${leak}`),
  ]
  return {
    violations: violations.slice(0, VIOLATIONS_SHOWN_MAX),
    lost: lost.length,
    duplicatesAtOperator: unexplained,
    duplicatesInDoubt: duplicates - unexplained,
  }
}

/** Every accepted message is in Postgres and has come to its expected end. */
function checkRows(expectations: readonly Expectation[], evidence: Evidence): string[] {
  const rows = new Map(evidence.rows.map((row) => [row.messageId, row]))
  return expectations.flatMap(({ message, messageId }) => {
    const row = rows.get(messageId)
    if (row === undefined) return [`${message.token}: accepted, but not in Postgres`]
    const dlrStatus = hasOutcome(message.expected) ? message.expected : null
    if (row.status !== rowStatusOf(message.expected) || row.dlrStatus !== dlrStatus) {
      return [
        `${message.token}: ${row.status}/${row.dlrStatus}, expected ${message.expected} (to …${message.to.slice(-3)})`,
      ]
    }
    return []
  })
}

/** No row without a submission that was answered with it. */
function checkStrangers(expectations: readonly Expectation[], evidence: Evidence): string[] {
  const known = new Set(expectations.map(({ messageId }) => messageId))
  return evidence.rows
    .filter((row) => !known.has(row.messageId))
    .map((row) => `${row.messageId}: a row that nobody submitted`)
}

function checkOutcomes(expectations: readonly Expectation[], evidence: Evidence): string[] {
  const by = group(evidence.aggregated)
  return expectations.flatMap(({ message, messageId }) => {
    const found = (by.get(messageId) ?? []).map((event) => event.status)
    const expected = hasOutcome(message.expected) ? [message.expected] : []
    return same(found, expected)
      ? []
      : [`${message.token}: outcomes ${found.join()}, expected ${expected.join()}`]
  })
}

function checkBilling(expectations: readonly Expectation[], evidence: Evidence): string[] {
  const by = group(evidence.billing)
  return expectations.flatMap(({ message, messageId }) => {
    const found = by.get(messageId) ?? []
    const expected = hasOutcome(message.expected) ? 1 : 0
    if (found.length !== expected)
      return [`${message.token}: billed ${found.length} times, expected ${expected}`]
    return found
      .filter((event) => !isRightBill(message, event))
      .map((event) => `${message.token}: billed as ${event.dlrStatus}, ${event.deliveredSegments} delivered`)
  })
}

function isRightBill({ expected, segments }: PlannedMessage, event: BillingRecord): boolean {
  const delivered =
    expected === 'DELIVERED' ? event.deliveredSegments === segments : event.deliveredSegments < segments
  return delivered && event.dlrStatus === expected && event.segmentCount === segments
}

/** One terminal webhook for each outcome, at most one UNKNOWN before it. */
function checkWebhooks(expectations: readonly Expectation[], evidence: Evidence): string[] {
  const by = group(evidence.webhooks)
  return expectations.flatMap(({ message, messageId }) => {
    const found = (by.get(messageId) ?? []).map((event) => event.dlrStatus)
    const terminal = found.filter((status) => status !== 'UNKNOWN')
    const expected = hasOutcome(message.expected) ? [message.expected] : []
    if (!same(terminal, expected))
      return [`${message.token}: webhooks ${found.join()}, expected ${expected.join()}`]
    return found.length - terminal.length > 1 ? [`${message.token}: UNKNOWN told twice`] : []
  })
}

/** Transitions 1, 2, 3 … of every message, each exactly once. */
function checkSequences(evidence: Evidence): string[] {
  return [...group(evidence.statuses)].flatMap(([messageId, events]) => {
    const seqs = events.map((event) => event.seq).sort((a, b) => a - b)
    return seqs.every((seq, index) => seq === index + 1) ? [] : [`${messageId}: transitions ${seqs.join()}`]
  })
}

/** A delivered message has every segment delivered, in the table that the portal shows. */
function checkSegments(expectations: readonly Expectation[], evidence: Evidence): string[] {
  const by = group(evidence.segmentRows)
  return expectations.flatMap(({ message, messageId }) => {
    if (message.expected !== 'DELIVERED') return []
    const delivered = (by.get(messageId) ?? []).filter((row) => row.status === 'DELIVERED')
    const indexes = new Set(delivered.map((row) => row.segmentIndex))
    return indexes.size === message.segments
      ? []
      : [`${message.token}: ${indexes.size} of ${message.segments} segment rows`]
  })
}

/** NATS holds what the topics hold, each event once. */
function checkMirrors({ nats, billing, webhooks, statuses }: Evidence): string[] {
  return [
    ...checkMirror('billing.events', billing, nats.billing),
    ...checkMirror('webhook.dispatch', webhooks, nats.webhooks),
    ...checkMirror('sms.events.status', statuses, nats.statuses),
  ]
}

function checkMirror(
  name: string,
  records: readonly { eventId: string }[],
  mirrored: readonly NatsRecord[],
): string[] {
  const onLog = new Set(records.map((record) => record.eventId))
  const onNats = new Set(mirrored.map((record) => record.eventId))
  const missing = [...onLog].filter((eventId) => !onNats.has(eventId)).length
  const invented = [...onNats].filter((eventId) => !onLog.has(eventId)).length
  if (missing === 0 && invented === 0 && onNats.size === mirrored.length) return []
  return [
    `${name}: ${missing} missing on NATS, ${invented} only on NATS, ${mirrored.length - onNats.size} twice`,
  ]
}

/**
 * A receipt that matches nothing is kept, each once (a killed gateway may take a receipt twice,
 * under one fingerprint).
 */
function checkOrphans(expectations: readonly Expectation[], evidence: Evidence): string[] {
  const expected = expectations
    .filter(({ message }) => message.expected === 'SENT')
    .reduce((sum, { message }) => sum + message.segments, 0)
  return evidence.orphanRows >= expected ? [] : [`${evidence.orphanRows} orphans, expected ${expected}`]
}

/** The subscriber reads exactly what was submitted. */
function checkTexts(expectations: readonly Expectation[], evidence: Evidence): string[] {
  const received = new Set(evidence.texts)
  return expectations
    .filter(({ message }) => message.expected === 'DELIVERED' && !received.has(message.body))
    .map(({ message }) => `${message.token}: the subscriber got another text, or none`)
}

function group<T extends { readonly messageId: string }>(records: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const record of records) {
    const found = groups.get(record.messageId)
    if (found === undefined) groups.set(record.messageId, [record])
    else found.push(record)
  }
  return groups
}

const same = (found: readonly string[], expected: readonly string[]): boolean =>
  found.length === expected.length && found.every((status, index) => status === expected[index])
