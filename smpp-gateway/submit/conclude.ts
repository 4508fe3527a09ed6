import { submitResults } from '../../streams/contracts/outbound.ts'
import type { OperatorSettings } from '../config.ts'
import type { Segment } from './encode.ts'
import type { SegmentResult } from './journal.ts'
import { submitResultOf } from './results.ts'
import { later, type Redeliver, type SegmentVerdict, type Submission } from './submission.ts'

type Conclusion = Omit<SegmentResult, 'submittedAt' | 'operatorId'>

/**
 * [S8]. The result is in the journal before it is on NATS, so that a crash between the two repeats
 * the event and not the SMS. `carriedBy`: the operator that really answered.
 */
export async function conclude(
  job: Submission,
  segment: Segment,
  carriedBy: string,
  conclusion: Conclusion,
): Promise<SegmentVerdict> {
  const submittedAt = new Date(job.now()).toISOString()
  const result = { ...conclusion, operatorId: carriedBy, submittedAt }
  await job.journal.write(job.command.messageId, segment.index, { state: 'result', result })
  return publishResult(job, segment, result)
}

export async function publishResult(
  job: Submission,
  segment: Segment,
  result: SegmentResult,
): Promise<SegmentVerdict> {
  const event = submitResultOf(job.command, segment, result)
  const isHeld = await job.publisher.publishUntilHeld(submitResults, event, job.giveUp, job.trace)
  if (!isHeld) return later(0)
  await job.journal.write(job.command.messageId, segment.index, { state: 'published', result })
  return { kind: 'settled', result }
}

/** The segment was not sent, or may be sent again: the command comes back and starts at it. */
export async function again(job: Submission, segment: Segment, when: Redeliver): Promise<Redeliver> {
  await job.journal.clear(job.command.messageId, segment.index)
  return when
}

/**
 * [S9]: nobody knows whether the operator took the segment. As yet `drop` reports REJECTED, and
 * `resubmit` has no bound.
 */
export async function concludeDoubt(
  job: Submission,
  segment: Segment,
  carriedBy: string,
  reason: string,
): Promise<SegmentVerdict> {
  if (noteDoubt(job, segment, reason) === 'drop')
    return conclude(job, segment, carriedBy, { outcome: 'REJECTED' })
  return again(job, segment, later(job.retries.afterFault(job.command.messageId)))
}

/** Counts a segment in doubt and answers what its queue's operator wants done with it. */
export function noteDoubt(job: Submission, segment: Segment, reason: string): OperatorSettings['inDoubt'] {
  const policy = job.settings.inDoubt
  job.metrics.inDoubt(policy)
  const { messageId } = job.command
  job.logger.warn('smpp.submit_sm.in_doubt', {
    operatorId: job.operatorId,
    messageId,
    segmentIndex: segment.index,
    reason,
  })
  return policy
}
