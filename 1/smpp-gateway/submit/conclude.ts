import { submitResults } from '../../streams/contracts/outbound.ts'
import type { SegmentProgress, SegmentResult, Tries } from './progress.ts'
import { submitResultOf, type SegmentPlace } from './results.ts'
import { later, type Redeliver, type SegmentVerdict, type Submission } from './submission.ts'

type Conclusion = Omit<SegmentResult, 'submittedAt' | 'operatorId'>

/**
 * [S8]. The result is in the journal before it is on NATS, so that a crash between the two repeats
 * the event and not the SMS. `carriedBy`: the operator that really answered.
 */
export async function conclude(
  job: Submission,
  segment: SegmentPlace,
  carriedBy: string,
  conclusion: Conclusion,
): Promise<SegmentVerdict> {
  const submittedAt = new Date(job.now()).toISOString()
  const result = { ...conclusion, operatorId: carriedBy, submittedAt }
  if (!(await job.record.write(segment.index, { state: 'result', result }))) return later(0)
  return publishResult(job, segment, result)
}

export async function publishResult(
  job: Submission,
  segment: SegmentPlace,
  result: SegmentResult,
): Promise<SegmentVerdict> {
  const event = submitResultOf(job.command, segment, result)
  const isHeld = await job.publisher.publishUntilHeld(submitResults, event, job.giveUp, job.trace)
  if (!isHeld) return later(0)
  job.record.writeBehind(segment.index, { state: 'published', result })
  return { kind: 'settled', result }
}

/** What became of a segment that has its result, if only by a late answer [S9]. */
export function concluded(job: Submission, segment: SegmentPlace): Promise<SegmentVerdict> | undefined {
  const progress = job.record.segment(segment.index)
  if (progress?.state === 'published') return Promise.resolve({ kind: 'settled', result: progress.result })
  return progress?.state === 'result' ? publishResult(job, segment, progress.result) : undefined
}

/**
 * The command comes back and starts at this segment. `progress` is what is true of it: undefined
 * when it has certainly not been sent.
 */
export async function again(
  job: Submission,
  segment: SegmentPlace,
  progress: SegmentProgress | undefined,
  when: Redeliver,
  tries: Tries = job.record.tries,
): Promise<SegmentVerdict> {
  // An answer to an earlier copy may have come while this one was on its way.
  const done = concluded(job, segment)
  if (done !== undefined) return done
  await job.record.defer(segment.index, progress, tries)
  return when
}
