import { CORRELATION_HOURS } from '../../streams/contracts/correlation-hours.ts'
import { submitResults, type SubmitResult } from '../../streams/contracts/outbound.ts'
import { sentSegments, type SentSegment } from '../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { canonicalOf, type CanonicalIdRule } from '../../streams/domain/receipt/canonical-id.ts'
import { sentEventId } from '../../streams/domain/event-id.ts'
import { defineProcessor } from '../../streams/dsl/processor.ts'
import { instantOf } from '../instant.ts'
import { NOTES } from '../notes.ts'

export interface SentOptions {
  /** How the operator's two writings of an id are brought together ([K2], [K3]). */
  readonly rulesOf: (operatorId: string) => readonly CanonicalIdRule[]
  /** Default: CORRELATION_HOURS. */
  readonly correlationHours?: number
}

const HOUR_MS = 3_600_000

/** How long a receipt may take [K8]. */
export const correlationMsOf = ({ correlationHours = CORRELATION_HOURS }: SentOptions): number =>
  correlationHours * HOUR_MS

/**
 * Re-keys accepted segments by the id under which their receipts will come. Stateless: a re-read
 * says the same again.
 */
export const sent = (options: SentOptions) =>
  defineProcessor({
    name: 'sent',
    reads: { result: submitResults },
    emits: { sent: sentSegments },
    notes: NOTES,
    on: {
      result: (result, scope) => {
        if (result.outcome !== 'ACCEPTED') return
        const { operatorId, operatorMessageId, messageId } = result
        if (operatorMessageId !== undefined) {
          const canonicalId = canonicalOf(operatorMessageId, 'submit', options.rulesOf(operatorId))
          const expiresMs = Date.parse(result.submittedAt) + correlationMsOf(options)
          return scope.emit('sent', sentSegment(result, { operatorMessageId, canonicalId, expiresMs }))
        }
        scope.note('dlr.sent_without_id', { messageId, operatorId })
      },
    },
  })

interface Filed {
  readonly operatorMessageId: string
  readonly canonicalId: string
  readonly expiresMs: number
}

function sentSegment(result: SubmitResult, filed: Filed): SentSegment {
  const { operatorMessageId, canonicalId, expiresMs } = filed
  const segment: SentSegment = {
    schemaVersion: SCHEMA_VERSION,
    eventId: sentEventId(result.eventId),
    occurredAt: result.submittedAt,
    messageId: result.messageId,
    tenantId: result.tenantId,
    accountId: result.accountId,
    operatorId: result.operatorId,
    operatorMessageId,
    canonicalId,
    segmentIndex: result.segmentIndex,
    totalSegments: result.totalSegments,
    to: result.to,
    submittedAt: result.submittedAt,
    expiresAt: instantOf(expiresMs),
    enqueuedAt: result.enqueuedAt,
    segmentCount: result.segmentCount,
  }
  if (result.callbackUrl !== undefined) segment.callbackUrl = result.callbackUrl
  if (result.metadata !== undefined) segment.metadata = result.metadata
  return segment
}
