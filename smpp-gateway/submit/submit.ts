import { encodingOf } from '../../streams/domain/message/text-segments.ts'
import type { Carrier } from './carrier.ts'
import { again, conclude, concludeDoubt, noteDoubt, publishResult } from './conclude.ts'
import { addressFields, segmentsOf, type Segment } from './encode.ts'
import type { SegmentProgress } from './journal.ts'
import type { SubmitReply } from '../smpp/session.ts'
import { withinSpan } from '../spans.ts'
import { classOfSubmit, type SubmitClass } from '../smpp/status-class.ts'
import {
  congested,
  later,
  type Redeliver,
  type SegmentVerdict,
  type Submission,
  type Verdict,
} from './submission.ts'

/** Time for the session to come back before the command is looked at again. */
const REBIND_MS = 1_000
/**
 * For commands that come between the end of a session and the end of pulling. Given back at once,
 * they would only come back.
 */
const NOBODY_BOUND_MS = 250
const ID_CHARS_MAX = 64

/** Steps [S2] to [S10]: one segment after the other, from the first without a published result. */
export async function submitCommand(job: Submission): Promise<Verdict> {
  const { messageId, body, encoding } = job.command
  if (encodingOf(body) !== encoding) job.metrics.encodingHintIgnored()
  const progress = await job.journal.read(messageId)
  let refusal: number | undefined
  for (const segment of segmentsOf(job.command, job.settings.refBits)) {
    const step = await proceed(job, segment, progress.get(segment.index), refusal)
    if (step.kind !== 'settled') return step
    if (step.result.outcome === 'REJECTED') refusal ??= step.result.commandStatus
  }
  job.journal.forget(messageId)
  job.retries.forget(messageId)
  return { kind: 'done' }
}

/**
 * `refusal`: the status with which the operator refused an earlier segment. A torn message is
 * useless, so the rest is not sent [ST6].
 */
async function proceed(
  job: Submission,
  segment: Segment,
  progress: SegmentProgress | undefined,
  refusal: number | undefined,
): Promise<SegmentVerdict> {
  if (progress?.state === 'published') return { kind: 'settled', result: progress.result }
  if (progress?.state === 'result') return publishResult(job, segment, progress.result)
  const wasInterrupted = progress?.state === 'submitting'
  if (wasInterrupted && noteDoubt(job, segment, 'interrupted') === 'drop')
    return conclude(job, segment, job.operatorId, { outcome: 'REJECTED' })
  if (refusal !== undefined)
    return conclude(job, segment, job.operatorId, { outcome: 'REJECTED', commandStatus: refusal })
  if (isExpired(job)) return conclude(job, segment, job.operatorId, { outcome: 'EXPIRED' })
  return send(job, segment)
}

const isExpired = (job: Submission): boolean => job.now() > Date.parse(job.command.expiresAt)

type Sent = { readonly kind: 'sent'; readonly reply: SubmitReply; readonly sentAt: number }

async function send(job: Submission, segment: Segment): Promise<SegmentVerdict> {
  const carrier = job.carrier()
  if (carrier === undefined) return later(NOBODY_BOUND_MS)
  if (!(await carrier.window.acquire(job.giveBack))) return later(0)
  let sent: Sent | Redeliver
  try {
    // The wait for a place may have been long.
    if (isExpired(job)) return await conclude(job, segment, job.operatorId, { outcome: 'EXPIRED' })
    sent = await sendWithin(job, segment, carrier)
  } finally {
    carrier.window.release()
  }
  return sent.kind === 'sent' ? judge(job, segment, carrier, sent) : sent
}

/**
 * [S5] to [S7], with a place in the window. The place comes before the permit, so that a permit is
 * used in the second that it was granted for and not after a wait.
 */
async function sendWithin(job: Submission, segment: Segment, carrier: Carrier): Promise<Sent | Redeliver> {
  const isPermitted = await carrier.throttle.take(carrier.tpsLimit)
  if (!isPermitted) {
    carrier.metrics.throughputDenied()
    return congested(job.throttledMs)
  }
  await job.journal.write(job.command.messageId, segment.index, { state: 'submitting' })
  if (segment.total > 1) carrier.metrics.longMessageSegment('csms')
  else if (segment.content['message_payload'] !== undefined) carrier.metrics.longMessageSegment('tlv')
  const fields = { ...segment.content, ...addressFields(job.command, carrier.addressing) }
  const about = { ...job.command, operatorId: carrier.operatorId }
  const sentAt = job.elapsed()
  const reply = await withinSpan('smpp.submit_sm', about, job.trace, () => carrier.submit(fields))
  return { kind: 'sent', reply, sentAt }
}

function judge(
  job: Submission,
  segment: Segment,
  carrier: Carrier,
  { reply, sentAt }: Sent,
): Promise<SegmentVerdict> {
  if (reply.kind === 'not_sent') return again(job, segment, later(0))
  if (reply.kind === 'in_doubt') return concludeDoubt(job, segment, carrier.operatorId, reply.reason)
  const statusClass = classOfSubmit(reply.status, carrier.statusOverrides)
  carrier.metrics.submitted(LABELS[statusClass], (job.elapsed() - sentAt) / 1000)
  if (statusClass === 'accepted') return accepted(job, segment, carrier.operatorId, reply.messageId)
  if (statusClass === 'throttle') carrier.window.throttled(sentAt)
  return notTaken(job, segment, carrier, statusClass, reply.status)
}

/** What an answer other than ESME_ROK means for the segment ([ST2] to [ST6]). */
function notTaken(
  job: Submission,
  segment: Segment,
  carrier: Carrier,
  statusClass: Exclude<SubmitClass, 'accepted'>,
  status: number,
): Promise<SegmentVerdict> {
  const { operatorId } = carrier
  if (statusClass === 'throttle') {
    job.logger.warn('smpp.submit_sm.throttled', { operatorId, commandStatus: status })
    return again(job, segment, congested(job.retries.afterThrottle(job.command.messageId)))
  }
  if (statusClass === 'transient') return again(job, segment, later(afterFaultMs(job)))
  if (statusClass === 'session') {
    carrier.drop(`submit_sm answered 0x${status.toString(16).padStart(2, '0')}`)
    return again(job, segment, later(REBIND_MS))
  }
  statusClass satisfies 'permanent'
  return conclude(job, segment, operatorId, { outcome: 'REJECTED', commandStatus: status })
}

const LABELS: Readonly<Record<SubmitClass, 'success' | 'throttled' | 'error'>> = {
  accepted: 'success',
  throttle: 'throttled',
  transient: 'error',
  session: 'error',
  permanent: 'error',
}

/** Never sent again, also when no receipt can ever be matched with it [ST1]. */
function accepted(
  job: Submission,
  segment: Segment,
  operatorId: string,
  messageId: string,
): Promise<SegmentVerdict> {
  const { messageId: ours } = job.command
  // The operator takes messages again. So the next refusal begins at one second, or a long message
  // would wait for minutes.
  job.retries.forget(ours)
  const conclusion = { outcome: 'ACCEPTED', commandStatus: 0 } as const
  if (messageId.length === 0 || messageId.length > ID_CHARS_MAX) {
    job.onMissingId()
    return conclude(job, segment, operatorId, conclusion)
  }
  const submit = { messageId: ours, segmentIndex: segment.index, totalSegments: segment.total }
  job.recent.note(operatorId, messageId, submit)
  return conclude(job, segment, operatorId, { ...conclusion, operatorMessageId: messageId })
}

/** At the latest just past the command's end, so that the next look finds it expired. */
function afterFaultMs(job: Submission): number {
  const untilExpiryMs = Math.max(0, Date.parse(job.command.expiresAt) - job.now()) + 1
  return Math.min(job.retries.afterFault(job.command.messageId), untilExpiryMs)
}
