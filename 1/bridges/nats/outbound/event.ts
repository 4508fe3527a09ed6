import { commandSubject, natsMessageId, type Mirror } from '../../../streams/contracts/subjects.ts'
import type { LogRecord } from '../../../streams/log/port.ts'

/** What publishing needs to know of a record. The rest of its content does not matter here. */
export interface OutboundEvent {
  readonly subject: string
  /** `<type>:<eventId>` [EV50]. */
  readonly messageId: string
  /**
   * Records with the same one reach NATS in the order of the log: the message, else the record's
   * key.
   */
  readonly orderKey: string
  /** When the client's request was accepted, of a command. */
  readonly enqueuedAtMs?: number
}

export type Readable =
  | { readonly ok: true; readonly event: OutboundEvent }
  | { readonly ok: false; readonly reason: 'not_json' | 'schema' | 'refused'; readonly message: string }

export const COMMAND_TOPIC = 'smpp.operator'

// What may stand in a header of NATS, and in one token of a subject.
const HEADER_TEXT = /^[!-~]{1,200}$/
const SUBJECT_TOKEN = /^[A-Za-z0-9_-]{1,64}$/

export function outboundEvent(mirror: Mirror, record: LogRecord): Readable {
  const value = parseObject(record.value)
  if (value === undefined) return { ok: false, reason: 'not_json', message: 'not a JSON object' }
  const { eventId, messageId, enqueuedAt } = value
  if (typeof eventId !== 'string' || !HEADER_TEXT.test(eventId))
    return { ok: false, reason: 'schema', message: 'eventId is missing or malformed' }
  const subject = subjectOf(mirror, record)
  if (subject === undefined) return { ok: false, reason: 'refused', message: 'the key is no subject token' }
  const acceptedMs = mirror.topic === COMMAND_TOPIC ? Date.parse(String(enqueuedAt)) : Number.NaN
  const event = {
    subject,
    messageId: natsMessageId(mirror.topic, eventId),
    orderKey: typeof messageId === 'string' ? messageId : (record.key?.toString() ?? eventId),
    ...(Number.isFinite(acceptedMs) && { enqueuedAtMs: acceptedMs }),
  }
  return { ok: true, event }
}

function subjectOf(mirror: Mirror, record: LogRecord): string | undefined {
  if (mirror.topic !== COMMAND_TOPIC) return mirror.subject
  const operatorId = record.key?.toString() ?? ''
  return SUBJECT_TOKEN.test(operatorId) ? commandSubject(operatorId) : undefined
}

interface Fields {
  readonly eventId?: unknown
  readonly messageId?: unknown
  readonly enqueuedAt?: unknown
}

function parseObject(bytes: Buffer | null): Fields | undefined {
  if (bytes === null) return undefined
  try {
    const parsed: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined
  } catch {
    return undefined
  }
}
