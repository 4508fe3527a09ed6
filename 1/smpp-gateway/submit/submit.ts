import { encodingOf } from '../../streams/domain/message/text-segments.ts'
import { conclude, concluded } from './conclude.ts'
import { concludeUncertain, mayResubmit, noteDoubt } from './doubt.ts'
import { planOf, segmentsOf, type Segment } from './encode.ts'
import type { CommandRecord } from './journal/journal.ts'
import type { Unsettled } from './progress.ts'
import { sendSegment } from './send.ts'
import {
  isExpired,
  later,
  type Assignment,
  type SegmentVerdict,
  type Submission,
  type Verdict,
} from './submission.ts'

/** What NATS holds could not be asked: to send without knowing could send twice. */
const UNKNOWN_MS = 1_000

/** Steps [S2] to [S10]: one segment after the other, from the first without a published result. */
export async function submitCommand(assigned: Assignment): Promise<Verdict> {
  const { command, settings, journal, metrics } = assigned
  if (encodingOf(command.body) !== command.encoding) metrics.encodingHintIgnored()
  const plan = planOf(command, settings)
  const record = await openRecord(assigned, plan.parts.length > 1)
  if (record === undefined) return later(UNKNOWN_MS)
  const job = { ...assigned, record }
  const reference = plan.parts.length > 1 ? await referenceOf(job) : 0
  let refusal: number | undefined
  for (const segment of segmentsOf(plan, reference)) {
    const step = await proceed(job, segment, refusal)
    if (step.kind !== 'settled') {
      if (assigned.delivery.isFirst) await journal.noteUnsent(command.messageId)
      return step
    }
    if (step.result.outcome === 'REJECTED') refusal ??= step.result.commandStatus ?? NO_STATUS
  }
  journal.forget(command.messageId)
  return { kind: 'done' }
}

/** The message was refused here and not by the operator. */
const NO_STATUS = -1

/**
 * A first delivery asks nobody: what it writes first tells whether the command has come before. One
 * that was delivered before, and of which Redis knows nothing, may have been worked on before Redis
 * was emptied: then NATS is asked. Undefined: NATS could not be asked.
 */
async function openRecord(job: Assignment, isLong: boolean): Promise<CommandRecord | undefined> {
  const { journal, published, delivery, command } = job
  const { messageId } = command
  if (delivery.isFirst && !isLong && !journal.remembers(messageId)) return journal.openNew(messageId)
  const record = await journal.open(messageId)
  if (delivery.isFirst || record.isKnown) return record
  const results = await published.of(messageId, delivery.storedAt, job.giveBack)
  for (const [index, result] of results ?? []) record.writeBehind(index, { state: 'published', result })
  return results === undefined ? undefined : record
}

/** All parts of a message bear one reference, also when some are sent after a crash [EN6]. */
async function referenceOf({ record, references, command, settings }: Submission): Promise<number> {
  if (record.reference !== undefined) return record.reference
  const reference = await references.next(command.from, command.to, settings.refBits)
  await record.keepReference(reference)
  return reference
}

/**
 * `refusal`: the status with which an earlier segment was refused. A torn message is useless, so
 * the rest is not sent [ST6].
 */
function proceed(job: Submission, segment: Segment, refusal: number | undefined): Promise<SegmentVerdict> {
  const progress = job.record.segment(segment.index)
  if (progress?.state === 'submitting' || progress?.state === 'doubt')
    return proceedInDoubt(job, segment, progress, refusal !== undefined)
  return concluded(job, segment) ?? proceedUnsent(job, segment, refusal)
}

function proceedUnsent(
  job: Submission,
  segment: Segment,
  refusal: number | undefined,
): Promise<SegmentVerdict> {
  if (refusal === undefined && !isExpired(job)) return sendSegment(job, segment, undefined)
  if (refusal === undefined) return conclude(job, segment, job.operatorId, { outcome: 'EXPIRED' })
  const commandStatus = refusal === NO_STATUS ? {} : { commandStatus: refusal }
  return conclude(job, segment, job.operatorId, { outcome: 'REJECTED', ...commandStatus })
}

/** [S9]: a PDU of it may have arrived. */
function proceedInDoubt(
  job: Submission,
  segment: Segment,
  progress: Unsettled,
  isTorn: boolean,
): Promise<SegmentVerdict> {
  if (progress.state === 'submitting') noteDoubt(job, segment, 'interrupted')
  return isTorn || !mayResubmit(job, progress)
    ? concludeUncertain(job, segment, progress.operatorId)
    : sendSegment(job, segment, progress)
}
