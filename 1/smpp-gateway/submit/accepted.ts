import { conclude } from './conclude.ts'
import type { Segment } from './encode.ts'
import type { SegmentVerdict, Submission } from './submission.ts'

const ID_CHARS_MAX = 64

/** Never sent again, also when no receipt can ever be matched with it [ST1]. */
export function accepted(
  job: Submission,
  segment: Segment,
  operatorId: string,
  messageId: string,
): Promise<SegmentVerdict> {
  // The operator takes messages again. So the next refusal begins at one second, or a long message
  // would wait for minutes.
  job.record.restartTries()
  const conclusion = { outcome: 'ACCEPTED', commandStatus: 0 } as const
  if (messageId.length === 0 || messageId.length > ID_CHARS_MAX) {
    job.onMissingId()
    return conclude(job, segment, operatorId, conclusion)
  }
  const submit = {
    messageId: job.command.messageId,
    segmentIndex: segment.index,
    totalSegments: segment.total,
  }
  job.recent.note(operatorId, messageId, submit)
  return conclude(job, segment, operatorId, { ...conclusion, operatorMessageId: messageId })
}
