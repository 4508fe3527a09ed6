import { TopicDeadLetter } from '../../../../streams/contracts/dead-letter.ts'
import { dispatchCommands } from '../../../../streams/contracts/outbound.ts'
import { INBOUND_MIRRORS, OUTBOUND_MIRRORS, type Mirror } from '../../../../streams/contracts/subjects.ts'
import { isReplayed } from '../../../../streams/log/port.ts'
import { MIRRORED_BYTES_MAX } from '../large.ts'
import { headerOf, sameTexts, type Complain } from '../readings.ts'
import { Identified, operatorOf } from './ids.ts'
import type { World } from '../world.ts'

/**
 * What the bridges and the gateway guarantee: everything on the log is in NATS and the other way
 * round, a command is published once whatever is read again [P4], [P7], and a segment is submitted
 * once unless it was in doubt [S20].
 */
export function checkEdges(world: World, complain: Complain): void {
  for (const mirror of INBOUND_MIRRORS) checkInbound(world, mirror, complain)
  for (const mirror of OUTBOUND_MIRRORS) checkOutbound(world, mirror, complain)
  checkSubmitted(world, complain)
}

/** Each message has come to the log, once at least, with the bytes that it had. */
function checkInbound({ log, nats }: World, { topic, subject, stream }: Mirror, complain: Complain): void {
  const mirrored = new Set(
    log.dump(topic).map((record) => `${headerOf(record, 'x-src-seq')} ${record.value?.toString('base64')}`),
  )
  const refused = refusedOf(log, stream)
  for (const { seq, data, subject: of } of nats.stream(stream).messages) {
    if (of === subject && data.length > MIRRORED_BYTES_MAX) {
      if (!refused.has(String(seq))) complain(`message ${seq} of ${stream} is too large, and no dead letter`)
    } else if (of === subject && !mirrored.has(`${seq} ${data.toString('base64')}`))
      complain(`message ${seq} of ${stream} was acknowledged, and is not on the log`)
  }
}

/** What was too large for the log, by sequence of the stream. */
const refusedOf = (log: World['log'], stream: string): ReadonlySet<string> =>
  new Set(
    log
      .dump('bridge.deadletter')
      .map(({ value }) => TopicDeadLetter.parse(JSON.parse(value?.toString('utf8') ?? 'null')))
      .filter(({ sourceTopic }) => sourceTopic === stream)
      .map(({ sourceOffset }) => sourceOffset),
  )

function checkOutbound({ log, nats }: World, { topic, stream }: Mirror, complain: Complain): void {
  const stored = new Map<string, number>()
  for (const { id } of nats.stream(stream).messages) {
    if (id.startsWith(`${topic}:`)) stored.set(id, (stored.get(id) ?? 0) + 1)
  }
  const isCommand = topic === dispatchCommands.name
  const ids = log.dump(topic).flatMap(({ value, headers }) => {
    if (isCommand && isReplayed(headers)) return []
    const { eventId } = Identified.parse(JSON.parse(value?.toString('utf8') ?? 'null'))
    return [`${topic}:${eventId}`]
  })
  sameTexts(complain, `events of ${topic} in NATS`, [...new Set(ids)].sort(), [...stored.keys()].sort())
  if (!isCommand) return
  for (const [id, times] of stored) if (times > 1) complain(`${id} was published ${times} times`)
}

function checkSubmitted({ nats, gateway }: World, complain: Complain): void {
  const { submitted } = gateway.operators
  for (const { data } of nats.stream('SMPP_OUTBOUND').messages) {
    const command = dispatchCommands.schema.parse(JSON.parse(data.toString('utf8')))
    const parts = operatorOf(command.operatorId).wire === 'TLV' ? 1 : command.segmentCount
    for (let index = 1; index <= parts; index += 1)
      if (!submitted.has(`${command.messageId} ${index}`))
        complain(`segment ${index} of ${command.messageId} was never submitted`)
  }
  for (const [segment, times] of submitted)
    if (times > 1 && !gateway.doubts.has(segment))
      complain(`segment ${segment} was submitted ${times} times and never in doubt`)
}
