import { DeliverPolicy, type ConsumerConfig, type JetStreamManager } from '@nats-io/jetstream'
import { forgetDone } from './done-commands.ts'
import type { DurableSpec } from './durables.ts'
import type { LogClient } from '../../streams/log/port.ts'
import { PublishedMarks, type Mark, type Marked } from './outbound/published-marks.ts'

/** Up to where a durable had acknowledged, as the log knows; rejects while the log is away. */
export type DurableMarks = (spec: DurableSpec) => Promise<Mark | undefined>

export const markedDurable = ({ name, stream }: DurableSpec): Marked => ({
  group: name,
  topic: stream,
  partition: 0,
})

export function marksOn(log: LogClient): DurableMarks {
  const marks = new PublishedMarks(log)
  return (spec) => marks.of(markedDurable(spec))
}

/** A durable of commands is missing, its stream is not empty, and no mark says what was sent. */
export class UnmarkedDurable extends Error {
  override readonly name = 'UnmarkedDurable'
}

type Start = Pick<ConsumerConfig, 'deliver_policy' | 'opt_start_seq'>

const EVERYTHING: Start = { deliver_policy: DeliverPolicy.All }

/**
 * Where a durable begins that does not exist. One of commands begins after its mark: the stream
 * holds what was sent long ago, and the gateway's journal in Redis may be gone [W6]. A mark of
 * another stream of the same name says that all of this one is new. What was done beyond the mark
 * is taken from the stream first. Without a mark it is made only
 * when there is nothing for it, as for a new operator, or when somebody has ordered it [P8].
 *
 * @throws UnmarkedDurable
 */
export async function startOf(
  manager: JetStreamManager,
  spec: DurableSpec,
  given: { readonly marks?: DurableMarks | undefined; readonly isUnmarkedAllowed?: boolean | undefined },
): Promise<Start> {
  const isFree = spec.isOnce !== true || given.isUnmarkedAllowed === true
  if (isFree || spec.filter === undefined) return EVERYTHING
  const last = await manager.streams.getMessage(spec.stream, { last_by_subj: spec.filter })
  if (last === null) return EVERYTHING
  const mark = await given.marks?.(spec)
  if (mark === undefined) throw new UnmarkedDurable(`durable ${spec.stream}/${spec.name} has no mark`)
  const { created } = await manager.streams.info(spec.stream)
  if (mark.topicId !== created) return EVERYTHING
  const opt_start_seq = mark.acknowledged + 1
  await forgetDone(manager, spec, opt_start_seq)
  return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq }
}
