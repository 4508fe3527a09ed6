import { AckPolicy, DeliverPolicy, type Consumer, type JetStreamManager } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { decode } from '../../streams/contracts/decode.ts'
import { dispatchCommands, submitResults } from '../../streams/contracts/outbound.ts'
import { SUBMIT_RESULT_MIRROR } from '../../streams/contracts/subjects.ts'
import type { DurableSpec } from './durables.ts'

/** Beyond its mark a durable has what is in work, and what was done since the mark was written. */
const COMMANDS_MAX = 20_000
const RESULTS_MAX = 1_000_000
const FETCHED = { max_messages: 1_000, expires: 2_000 }
const UNUSED_MS_MAX = 60_000

interface Undecided {
  readonly sequences: Map<string, number>
  /** When NATS took the first of them: no result of any is older. */
  readonly since: Date
}

/**
 * Takes from the stream what a lost durable had acknowledged beyond its mark: commands whose
 * segments all have a published result [S10]. Otherwise the durable that is made now would deliver
 * them again. They stay on the log. What lies further than the limits is left to the gateway's
 * journal. Returns how many.
 */
export async function forgetDone(
  manager: JetStreamManager,
  spec: DurableSpec,
  from: number,
): Promise<number> {
  const undecided = await commandsFrom(manager, spec, from)
  if (undecided === undefined) return 0
  const done = await allAnswered(manager, undecided)
  for (const sequence of done) await manager.streams.deleteMessage(spec.stream, sequence, false)
  return done.length
}

async function commandsFrom(
  manager: JetStreamManager,
  { stream, filter }: DurableSpec,
  from: number,
): Promise<Undecided | undefined> {
  const sequences = new Map<string, number>()
  let since: Date | undefined
  for (let seq = from; sequences.size < COMMANDS_MAX; ) {
    const next = { seq, next_by_subj: filter }
    const message = await manager.streams.getMessage(stream, next)
    if (message === null) break
    since ??= message.time
    const command = decode(dispatchCommands, message.data)
    if (command.ok) sequences.set(command.value.messageId, message.seq)
    seq = message.seq + 1
  }
  return since && { sequences, since }
}

/** Sequences of the commands of which each segment has a result. */
async function allAnswered(manager: JetStreamManager, { sequences, since }: Undecided): Promise<number[]> {
  const { stream, subject } = SUBMIT_RESULT_MIRROR
  const reader = await manager.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: since.toISOString(),
    filter_subject: subject,
    inactive_threshold: nanos(UNUSED_MS_MAX),
  })
  const progress = { sequences, segments: new Map<string, Set<number>>(), done: [] }
  const consumer = await manager.jetstream().consumers.get(stream, reader.name)
  let left = Math.min(reader.num_pending, RESULTS_MAX)
  while (left > 0) {
    const read = await readOnce(consumer, progress)
    if (read === 0) throw new Error(`stream ${stream} does not deliver its results`)
    left -= read
  }
  await manager.consumers.delete(stream, reader.name)
  return progress.done
}

interface Progress {
  readonly sequences: ReadonlyMap<string, number>
  /** Segments with a result, by messageId. */
  readonly segments: Map<string, Set<number>>
  readonly done: number[]
}

async function readOnce(consumer: Consumer, { sequences, segments, done }: Progress): Promise<number> {
  let read = 0
  for await (const { data } of await consumer.fetch(FETCHED)) {
    read += 1
    const result = decode(submitResults, data)
    const sequence = result.ok ? sequences.get(result.value.messageId) : undefined
    if (!result.ok || sequence === undefined) continue
    const { messageId, segmentIndex, totalSegments } = result.value
    const before = segments.get(messageId) ?? new Set()
    const { size } = before
    segments.set(messageId, before.add(segmentIndex))
    if (before.size > size && before.size === totalSegments) done.push(sequence)
  }
  return read
}
