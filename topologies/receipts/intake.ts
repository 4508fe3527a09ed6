import { z } from 'zod'
import {
  inboundReceipts,
  receiptLookups,
  RELEASE_HEADER,
  type InboundReceipt,
  type Receipt,
} from '../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION, uuid } from '../../streams/contracts/topic.ts'
import { candidatesOf } from '../../streams/domain/receipt/canonical-id.ts'
import { lookupEventId } from '../../streams/domain/event-id.ts'
import { receiptFingerprint } from '../../streams/domain/receipt/fingerprint.ts'
import { loggableId } from '../../streams/domain/receipt/subscriber.ts'
import { normaliseStat } from '../../streams/domain/receipt/stat.ts'
import { defineProcessor, type Scope } from '../../streams/dsl/processor.ts'
import { defineTopology, type Topology } from '../../streams/dsl/topology.ts'
import { instantOf } from '../instant.ts'
import { NOTES, type NoteName } from '../notes.ts'
import { isReadAgain } from '../read-again.ts'
import type { SentOptions } from './sent.ts'

/**
 * One row per operator and operator's message id, with the event ids and fingerprints seen for it.
 * That says the same as one store keyed by event id [DB92] and one by fingerprint [DB93], because
 * both contain this key. It is one row to read and one to write instead of two.
 */

const Seen = z.object({
  eventId: uuid,
  fingerprint: z.string(),
  /** Of the record that was let through. */
  position: z.string(),
  /** Its record time, epoch milliseconds. */
  at: z.number().int(),
})
type Seen = z.infer<typeof Seen>

const SeenReceipts = z.object({ seen: z.array(Seen) })
type SeenReceipts = z.infer<typeof SeenReceipts>

/**
 * Per id. An operator has at most a handful of statuses for a segment, so only a flood gets here.
 * What exceeds it passes without being remembered, and its repetitions fall to the identity layer
 * in `segments` [L3]. The first ones are kept and not the last ones, because then reading
 * everything again finds the rows as they are.
 */
export const SEEN_MAX = 32
export const EVENT_LIFETIME_MS = 72 * 3_600_000
export const FINGERPRINT_LIFETIME_MS = 24 * 3_600_000

/** Canonical ids under which the receipt is looked for, in order [K4]. */
type Candidates = readonly [string, ...string[]]

const emits = { lookup: receiptLookups }
type IntakeScope = Scope<SeenReceipts, typeof emits, 'expire', NoteName>

export interface IntakeOptions extends SentOptions {
  /** Default: SEEN_MAX. A simulation has the memory full sooner. */
  readonly seenMax?: number
}

export const intake = ({ rulesOf, seenMax = SEEN_MAX }: IntakeOptions): Topology =>
  defineTopology('intake', [
    defineProcessor({
      name: 'intake',
      reads: { receipt: inboundReceipts },
      emits,
      notes: NOTES,
      state: { store: 'receipts', schema: SeenReceipts },
      on: {
        receipt: (inbound, scope) => {
          const { operatorId, operatorMessageId, alternateIds = [] } = inbound
          const candidates = candidatesOf([operatorMessageId, ...alternateIds], rulesOf(operatorId))
          takeReceipt(normalised(inbound), candidates, scope, seenMax)
        },
      },
      due: { expire: (_, scope: IntakeScope) => scope.forget() },
    }),
  ])

/**
 * [D2] to [D6]: the order of the rows is the order of the lines. A record read again finds itself
 * first of all.
 */
function takeReceipt(receipt: Receipt, candidates: Candidates, scope: IntakeScope, seenMax: number): void {
  const { now, position } = scope
  const { operatorId, operatorMessageId, eventId, fingerprint, sourceAddr, destAddr } = receipt
  const quarantineId = quarantineIdOf(scope)
  const seen = scope.state?.seen ?? []
  if (seen.some((entry) => isReadAgain(scope, entry.position)))
    return emitLookup(receipt, candidates, quarantineId, scope)
  const loggable = loggableId(operatorMessageId, [sourceAddr, destAddr])
  const fields = { operatorId, operatorMessageId: loggable }
  scope.note('dlr.received', fields) // [D2]
  if (seen.some((entry) => entry.eventId === eventId && now - entry.at < EVENT_LIFETIME_MS))
    return scope.note('dlr.redelivered', fields) // [D4]
  const isRepeated = (entry: Seen): boolean =>
    entry.fingerprint === fingerprint && now - entry.at < FINGERPRINT_LIFETIME_MS
  if (quarantineId === undefined && seen.some(isRepeated)) return scope.note('dlr.dedup', fields) // [D3], [D5]
  const alive = seen.filter(({ at }) => now - at < EVENT_LIFETIME_MS)
  if (alive.length < seenMax) remember([...alive, { eventId, fingerprint, position, at: now }], scope) // [D6]
  emitLookup(receipt, candidates, quarantineId, scope)
}

function remember(all: readonly Seen[], scope: IntakeScope): void {
  scope.put({ seen: [...all] })
  scope.arm('expire', Math.max(...all.map(({ at }) => at)) + EVENT_LIFETIME_MS)
}

function emitLookup(
  receipt: Receipt,
  candidates: Candidates,
  quarantineId: string | undefined,
  scope: IntakeScope,
): void {
  scope.emit('lookup', {
    schemaVersion: SCHEMA_VERSION,
    eventId: lookupEventId(receipt.eventId),
    occurredAt: instantOf(scope.now),
    canonicalId: candidates[0],
    ...(candidates.length > 1 && { candidates: [...candidates] }),
    receipt,
    ...(quarantineId !== undefined && { release: { quarantineId } }),
  })
}

function normalised(inbound: InboundReceipt): Receipt {
  const { schemaVersion: _, occurredAt, receivedAt = occurredAt, deliveredAt = null, ...received } = inbound
  const { operatorId, operatorMessageId, stat } = received
  const dlrStatus = normaliseStat(stat)
  const fingerprint = receiptFingerprint(operatorId, operatorMessageId, dlrStatus, Date.parse(receivedAt))
  return { ...received, deliveredAt, receivedAt, dlrStatus, fingerprint }
}

/** A header that is no id is nobody's release. */
const quarantineIdOf = (scope: IntakeScope): string | undefined => {
  const header = scope.header(RELEASE_HEADER)
  return header !== undefined && uuid.safeParse(header).success ? header : undefined
}
