import { createInbox, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { inboxPrefixOf } from './link.ts'

/** What a stream has said to one message. `silence`: it may or may not have it. */
export type StreamAnswer =
  | { readonly kind: 'stored'; readonly duplicate: boolean; readonly sequence: number }
  | { readonly kind: 'refused'; readonly code: number }
  | { readonly kind: 'silence' }

export interface ToBeStored {
  readonly subject: string
  readonly payload: string
  readonly headers: MsgHdrs
  readonly ackMsMax: number
}

export interface Acknowledged {
  /**
   * Resolves within `ackMsMax`. Throws, with nothing sent, for what the server could never take:
   * InvalidArgumentError, InvalidSubjectError.
   */
  publish(message: ToBeStored): Promise<StreamAnswer>
}

interface Pending {
  readonly resolve: (answer: StreamAnswer) => void
  readonly timer: NodeJS.Timeout
}

/**
 * Publishes to JetStream over one inbox of this connection. The library's own request makes an
 * error with its stack for each message, also for one that is acknowledged, and that costs more
 * than the rest of a publish.
 */
export function acknowledged(connection: NatsConnection, user: string): Acknowledged {
  const inbox = createInbox(inboxPrefixOf(user))
  const pending = new Map<string, Pending>()
  let published = 0
  const settle = (reply: string, answer: StreamAnswer): void => {
    const waiting = pending.get(reply)
    if (waiting === undefined) return
    pending.delete(reply)
    clearTimeout(waiting.timer)
    waiting.resolve(answer)
  }
  connection.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      if (error === null) settle(message.subject, answerIn(message.data))
    },
  })
  return {
    async publish({ subject, payload, headers, ackMsMax }) {
      published += 1
      const reply = `${inbox}.${published.toString(36)}`
      connection.publish(subject, payload, { headers, reply })
      return new Promise((resolve) => {
        const timer = setTimeout(() => settle(reply, { kind: 'silence' }), ackMsMax)
        pending.set(reply, { resolve, timer })
      })
    },
  }
}

const utf8 = new TextDecoder()

/** Empty when nobody listens on the subject: the server itself says so. */
function answerIn(data: Uint8Array): StreamAnswer {
  const answer = parsed(data)
  const code = numberIn(fieldOf(answer, 'error'), 'err_code')
  if (code !== undefined) return { kind: 'refused', code }
  const sequence = numberIn(answer, 'seq')
  if (sequence === undefined) return { kind: 'silence' }
  return { kind: 'stored', duplicate: fieldOf(answer, 'duplicate') === true, sequence }
}

function parsed(data: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(data))
  } catch {
    // What cannot be read says nothing about what was stored.
    return undefined
  }
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

function numberIn(value: unknown, name: string): number | undefined {
  const field = fieldOf(value, name)
  return typeof field === 'number' ? field : undefined
}
