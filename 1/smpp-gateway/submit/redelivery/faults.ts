import { BoundedMap } from '../../../streams/platform/bounded-map.ts'
import { PARTS_MAX } from '../../../streams/domain/message/text-segments.ts'
import { concluded, conclude } from '../conclude.ts'
import { concludeUncertain } from '../doubt.ts'
import type { SegmentPlace } from '../results.ts'
import { submitCommand } from '../submit.ts'
import { later, type Assignment, type SegmentVerdict, type Submission, type Verdict } from '../submission.ts'

/** Commands whose handling threw and that come again; of older ones the count begins anew. */
const FAULTY_MAX = 1_000

/** `unreadable`: nothing can be told about it, and NATS need not deliver it again. */
export type Handled = Verdict | { readonly kind: 'unreadable' }

/**
 * Works on commands, and bounds what a defect of ours may cost. A command whose handling throws
 * comes again as after an unknown status [ST2]; then it is refused, counted and told in the log.
 * Thrown on, it would end the process, and NATS would bring it to the next one.
 */
export class GuardedSubmit {
  readonly #faults = new BoundedMap<string, number>(FAULTY_MAX)

  async submit(job: Assignment): Promise<Handled> {
    const { command, operatorId, metrics, logger, unknownRetriesMs } = job
    const { messageId } = command
    try {
      return await submitCommand(job)
    } catch (error) {
      const attempt = (this.#faults.get(messageId) ?? 0) + 1
      this.#faults.set(messageId, attempt)
      metrics.faultyCommand()
      // Not its text, which may quote the command.
      logger.error('smpp.command.failed', { operatorId, messageId, attempt, code: nameOf(error) })
      const delayMs = unknownRetriesMs[attempt - 1]
      return delayMs === undefined ? this.#giveUp(job) : later(delayMs)
    }
  }

  async #giveUp(job: Assignment): Promise<Handled> {
    const { command, operatorId, logger } = job
    const { messageId } = command
    this.#faults.delete(messageId)
    try {
      return await refuse(job)
    } catch (error) {
      logger.error('smpp.command.given_up', { operatorId, messageId, code: nameOf(error) })
      return { kind: 'unreadable' }
    }
  }
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : typeof error)

/** A result for each segment that has none: uncertain where a PDU of it may have arrived [S9]. */
async function refuse(job: Assignment): Promise<Verdict> {
  const { command, journal } = job
  const record = await journal.open(command.messageId)
  const total = Math.min(PARTS_MAX, command.segmentCount)
  for (let index = 1; index <= total; index += 1) {
    const step = await refuseSegment({ ...job, record }, { index, total })
    if (step.kind !== 'settled') return step
  }
  journal.forget(command.messageId)
  return { kind: 'done' }
}

function refuseSegment(job: Submission, place: SegmentPlace): Promise<SegmentVerdict> {
  const progress = job.record.segment(place.index)
  if (progress?.state === 'submitting' || progress?.state === 'doubt')
    return concludeUncertain(job, place, progress.operatorId)
  return concluded(job, place) ?? conclude(job, place, job.operatorId, { outcome: 'REJECTED' })
}
