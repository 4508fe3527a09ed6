import { submitResults, type SubmitResult } from '../../streams/contracts/outbound.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { submitResultEventId } from '../../streams/domain/event-id.ts'
import type { CommandIdentity } from './command.ts'
import type { SegmentResult } from './progress.ts'
import type { Publisher, TraceHeaders } from '../publisher.ts'

export interface SegmentPlace {
  readonly index: number
  readonly total: number
}

/** The event of one segment [SC6]. The same result always makes the same event, byte for byte. */
export function submitResultOf(
  identity: CommandIdentity,
  place: SegmentPlace,
  result: SegmentResult,
): SubmitResult {
  const { messageId, tenantId, accountId, to, enqueuedAt, segmentCount, callbackUrl, metadata } = identity
  const cause = { messageId, segmentIndex: place.index, ...result }
  return {
    schemaVersion: SCHEMA_VERSION,
    eventId: submitResultEventId(cause),
    occurredAt: result.submittedAt,
    messageId,
    tenantId,
    accountId,
    segmentIndex: place.index,
    totalSegments: place.total,
    ...result,
    to,
    enqueuedAt,
    segmentCount,
    ...(callbackUrl !== undefined && { callbackUrl }),
    ...(metadata !== undefined && { metadata }),
  }
}

/**
 * The results of a command that cannot be sent [S1]: every segment is rejected, without a status of
 * the operator.
 */
export async function publishRefusal(
  identity: CommandIdentity,
  operatorId: string,
  submittedAt: string,
  publisher: Publisher,
  signal: AbortSignal,
  trace: TraceHeaders,
): Promise<boolean> {
  const total = identity.segmentCount
  for (let index = 1; index <= total; index++) {
    const event = submitResultOf(identity, { index, total }, { outcome: 'REJECTED', operatorId, submittedAt })
    if (!(await publisher.publishUntilHeld(submitResults, event, signal, trace))) return false
  }
  return true
}
