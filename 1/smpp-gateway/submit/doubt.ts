import { again, conclude, concluded } from './conclude.ts'
import type { Carrier } from './carrier.ts'
import type { Segment } from './encode.ts'
import type { Unsettled } from './progress.ts'
import type { SubmitAnswer, SubmitReply } from '../smpp/session.ts'
import type { SegmentPlace } from './results.ts'
import { classOfSubmit } from '../smpp/status-class.ts'
import { accepted } from './accepted.ts'
import { isExpired, later, type SegmentVerdict, type Submission } from './submission.ts'

type InDoubt = Extract<SubmitReply, { kind: 'in_doubt' }>
/** [S9]: with two copies of an SMS on its way nobody may make a third. */
const RESUBMITS_MAX = 1

/** Whether a segment, of which a PDU may have arrived, is sent once more. */
export const mayResubmit = (job: Submission, { resubmits }: Unsettled): boolean =>
  job.settings.inDoubt === 'resubmit' && resubmits < RESUBMITS_MAX && !isExpired(job)

/**
 * The segment may have been taken or not, and nobody will find out by sending: receipts by number
 * and time, or the grace, close it. EXPIRED or REJECTED could be false.
 */
export function concludeUncertain(
  job: Submission,
  segment: SegmentPlace,
  carriedBy: string | undefined,
): Promise<SegmentVerdict> {
  const done = concluded(job, segment)
  if (done !== undefined) return done
  job.metrics.uncertain()
  return conclude(job, segment, carriedBy ?? job.operatorId, { outcome: 'ACCEPTED', uncertain: true })
}

/** No answer came in time, or the link went first. */
export function concludeDoubt(
  job: Submission,
  segment: Segment,
  carrier: Carrier,
  reply: InDoubt,
  resubmits: number,
): Promise<SegmentVerdict> {
  noteDoubt(job, segment, reply.reason)
  const progress = { state: 'doubt', resubmits, operatorId: carrier.operatorId } as const
  void reply.late.then((answer) => answer && takeLate(job, segment, carrier, answer, progress))
  if (!mayResubmit(job, progress)) return concludeUncertain(job, segment, carrier.operatorId)
  // After a timeout the answer may still come; after the end of its session it never will.
  return again(job, segment, progress, later(reply.reason === 'timeout' ? job.inDoubtMs : 0))
}

/**
 * The answer came after its deadline. That the operator took the segment is true whatever happened
 * since, and gives the id of its receipts. That it did not is worth something only while no other
 * copy is on its way.
 */
async function takeLate(
  job: Submission,
  segment: Segment,
  carrier: Carrier,
  answer: SubmitAnswer,
  doubt: Unsettled,
): Promise<void> {
  carrier.metrics.lateAnswer()
  const statusClass = classOfSubmit(answer.status, carrier.statusOverrides)
  if (statusClass === 'accepted') {
    await accepted(job, segment, carrier.operatorId, answer.messageId)
    return
  }
  const progress = job.record.segment(segment.index)
  if (progress?.state !== 'doubt' || doubt.resubmits > 0 || progress.resubmits > 0) return
  if (statusClass === 'permanent') {
    const { status: commandStatus } = answer
    await conclude(job, segment, carrier.operatorId, { outcome: 'REJECTED', commandStatus })
  } else await job.record.defer(segment.index, undefined, job.record.tries)
}

/** Counts a segment in doubt. */
export function noteDoubt(job: Submission, segment: Segment, reason: string): void {
  job.metrics.inDoubt(job.settings.inDoubt)
  job.logger.warn('smpp.submit_sm.in_doubt', {
    operatorId: job.operatorId,
    messageId: job.command.messageId,
    segmentIndex: segment.index,
    reason,
  })
}
