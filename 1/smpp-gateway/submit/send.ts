import { accepted } from './accepted.ts'
import type { Carrier } from './carrier.ts'
import { again, conclude, concluded } from './conclude.ts'
import { concludeDoubt, concludeUncertain } from './doubt.ts'
import { addressFields, contentOf, type Segment } from './encode.ts'
import type { Unsettled } from './progress.ts'
import type { PduFields } from '../smpp/pdu.ts'
import { nextTry } from './redelivery/turns.ts'
import type { SubmitReply } from '../smpp/session.ts'
import { withinSpan } from '../spans.ts'
import { classOfSubmit, type SubmitClass } from '../smpp/status-class.ts'
import {
  isExpired,
  later,
  NOBODY_BOUND_MS,
  type Redeliver,
  type SegmentVerdict,
  type Submission,
} from './submission.ts'

/** Time for the session to come back before the command is looked at again. */
const REBIND_MS = 1_000
/** A backup that cannot write the text is no help: the message waits for its own operator. */
const OTHER_ALPHABET_MS = 30_000

/** One try: what is sent, by whom, and what was true of the segment before. */
interface Try {
  readonly job: Submission
  readonly segment: Segment
  readonly carrier: Carrier
  readonly fields: PduFields
  readonly before: Unsettled | undefined
}

interface Sent {
  readonly kind: 'sent'
  readonly reply: SubmitReply
  readonly sentAt: number
}

/** [S5] to [S9] for one segment. `before` is undefined when no PDU of it can have arrived. */
export async function sendSegment(
  job: Submission,
  segment: Segment,
  before: Unsettled | undefined,
): Promise<SegmentVerdict> {
  const carrier = job.carrier()
  if (carrier === undefined) return later(NOBODY_BOUND_MS)
  const addresses = addressFields(job.command, carrier.addressing, job.now())
  if (addresses === undefined) return refuseSender(job, segment, before)
  const content = contentOf(segment, carrier.addressing.charset)
  if (content === undefined) return later(OTHER_ALPHABET_MS)
  const attempt = { job, segment, carrier, fields: { ...content, ...addresses }, before }
  const sent = await made(attempt)
  return sent.kind === 'sent' ? judge(attempt, sent) : sent
}

/** Until the answer is there, and no longer: what is done with it needs no place. */
async function made(attempt: Try): Promise<Sent | SegmentVerdict> {
  const { window, throttle, tpsLimit } = attempt.carrier
  const { giveBack } = attempt.job
  if (!(await throttle.take(tpsLimit, giveBack))) return later(0)
  if (!(await window.approach(giveBack))) return later(0)
  try {
    return await proceedToSend(attempt)
  } finally {
    window.withdraw()
  }
}

/** [PD4]: it must never become other letters. */
function refuseSender(
  job: Submission,
  segment: Segment,
  before: Unsettled | undefined,
): Promise<SegmentVerdict> {
  const { operatorId, logger, command, metrics } = job
  logger.warn('smpp.command.refused', { operatorId, messageId: command.messageId, reason: 'sender_alphabet' })
  metrics.senderRefused()
  if (before !== undefined) return concludeUncertain(job, segment, before.operatorId)
  return conclude(job, segment, operatorId, { outcome: 'REJECTED' })
}

/**
 * The place among the unanswered PDUs comes last, after permit and journal, so that none stands
 * empty while we ask Redis.
 */
async function proceedToSend(attempt: Try): Promise<Sent | SegmentVerdict> {
  const { job, segment, carrier, before } = attempt
  // The wait for permit and window may have been long: a late answer or the end may have come.
  const done = concluded(job, segment)
  if (done !== undefined) return done
  if (isExpired(job))
    return before === undefined
      ? conclude(job, segment, job.operatorId, { outcome: 'EXPIRED' })
      : concludeUncertain(job, segment, before.operatorId)
  const resubmits = before === undefined ? 0 : before.resubmits + 1
  const mark = { state: 'submitting', resubmits, operatorId: carrier.operatorId } as const
  if (!(await job.record.write(segment.index, mark))) return later(0)
  if (!(await carrier.window.acquire(job.giveBack))) return again(job, segment, before, later(0))
  return submitted(attempt)
}

async function submitted({ job, segment, carrier, fields }: Try): Promise<Sent> {
  try {
    await carrier.throttle.depart(carrier.tpsLimit)
    if (segment.total > 1) carrier.metrics.longMessageSegment('csms')
    else if (fields['message_payload'] !== undefined) carrier.metrics.longMessageSegment('tlv')
    const about = { ...job.command, operatorId: carrier.operatorId }
    const sentAt = job.elapsed()
    const reply = await withinSpan('smpp.submit_sm', about, job.trace, () => carrier.submit(fields))
    return { kind: 'sent', reply, sentAt }
  } finally {
    carrier.window.release()
  }
}

function judge(attempt: Try, { reply, sentAt }: Sent): Promise<SegmentVerdict> {
  const { job, segment, carrier, before } = attempt
  if (reply.kind === 'not_sent') return again(job, segment, before, later(0))
  if (reply.kind === 'in_doubt')
    return concludeDoubt(job, segment, carrier, reply, before === undefined ? 0 : before.resubmits + 1)
  const statusClass = classOfSubmit(reply.status, carrier.statusOverrides)
  carrier.metrics.submitted(LABELS[statusClass], (job.elapsed() - sentAt) / 1000)
  if (statusClass === 'accepted') {
    carrier.throttle.accepted(job.command.to)
    return accepted(job, segment, carrier.operatorId, reply.messageId)
  }
  return notTaken(attempt, statusClass, reply.status, sentAt)
}

const LABELS: Readonly<Record<SubmitClass, 'success' | 'throttled' | 'error'>> = {
  accepted: 'success',
  throttle: 'throttled',
  transient: 'error',
  unknown: 'error',
  session: 'error',
  permanent: 'error',
}

/** What an answer other than ESME_ROK means for the segment ([ST2] to [ST6]). */
function notTaken(
  attempt: Try,
  statusClass: Exclude<SubmitClass, 'accepted'>,
  status: number,
  sentAt: number,
): Promise<SegmentVerdict> {
  const { job, segment, carrier, before } = attempt
  const { operatorId, metrics } = carrier
  if (statusClass === 'permanent') return refused(attempt, status)
  if (statusClass === 'session') {
    carrier.drop(`submit_sm answered 0x${status.toString(16).padStart(2, '0')}`)
    return again(job, segment, before, later(REBIND_MS))
  }
  if (statusClass === 'throttle') {
    const isLone = carrier.throttle.refused(sentAt, job.command.to)
    if (!isLone) carrier.window.throttled(sentAt)
    job.logger.warn('smpp.submit_sm.throttled', { operatorId, commandStatus: status })
  }
  if (statusClass === 'unknown') metrics.unknownStatus(status)
  const next = nextTry(job.record.tries, statusClass, job.unknownRetriesMs)
  if (next === undefined) return refused(attempt, status)
  return again(job, segment, before, wait(attempt, next.delayMs), next.tries)
}

/** The refusal of a second copy says nothing about the first. */
function refused({ job, segment, carrier, before }: Try, commandStatus: number): Promise<SegmentVerdict> {
  if (before !== undefined) return concludeUncertain(job, segment, before.operatorId)
  return conclude(job, segment, carrier.operatorId, { outcome: 'REJECTED', commandStatus })
}

/** At the latest just past the command's end, so that the next look finds it expired. */
function wait({ job }: Try, delayMs: number): Redeliver {
  const untilExpiryMs = Math.max(0, Date.parse(job.command.expiresAt) - job.now()) + 1
  return later(Math.min(delayMs, untilExpiryMs))
}
