import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { Deadlines } from '../platform/deadlines.ts'
import { connectionOf, newInbox, type NatsLink } from './link.ts'

/** JetStream does not hold the message, or has not said so in time. */
export class PublishFailed extends Error {
  override readonly name = 'PublishFailed'
  /** `err_code` of the JetStream API when a stream has refused it. */
  readonly code: number | undefined

  constructor(message: string, code?: number) {
    super(message)
    this.code = code
  }
}

export interface AckedPublishesOptions {
  readonly link: NatsLink
  /** Monotonic ms. */
  readonly now: () => number
}

interface Outgoing {
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: MsgHdrs
  readonly withinMs: number
  readonly settle: Settle
}
type Settle = (failure: Error | undefined) => void

/** Where the acknowledgements of one connection come in; their subjects end with a number. */
interface Inbox {
  readonly connection: NatsConnection
  readonly prefix: string
}

/**
 * Publishes to JetStream by the thousand a second. The library makes a request of each, with a
 * timer and an error in reserve: about as much work as all the rest of a submit. Here one inbox
 * takes all acknowledgements, deadlines share a timer, and what is published in one turn of the
 * event loop leaves together. Callers bound how many wait.
 */
export class AckedPublishes {
  readonly #link: NatsLink
  readonly #deadlines: Deadlines<number>
  readonly #waiting = new Map<number, Settle>()
  #queue: Outgoing[] = []
  #inbox: Inbox | undefined
  #count = 0

  constructor({ link, now }: AckedPublishesOptions) {
    this.#link = link
    const late = new PublishFailed('not acknowledged in time')
    this.#deadlines = new Deadlines({ now, onExpired: (id) => this.#settle(id, late) })
  }

  /**
   * Resolves when JetStream holds the message. Rejects otherwise, also when nobody knows within
   * `withinMs`, which should have few values.
   */
  publish(subject: string, payload: Uint8Array, headers: MsgHdrs, withinMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle: Settle = (failure) => (failure === undefined ? resolve() : reject(failure))
      const outgoing = { subject, payload, headers, withinMs, settle }
      if (this.#queue.push(outgoing) === 1) setImmediate(() => this.#send())
    })
  }

  #send(): void {
    const queue = this.#queue
    this.#queue = []
    for (const { subject, payload, headers, withinMs, settle } of queue) {
      try {
        const { connection, prefix } = this.#inboxNow()
        const id = ++this.#count
        connection.publish(subject, payload, { headers, reply: `${prefix}${id}` })
        this.#waiting.set(id, settle)
        this.#deadlines.set(id, withinMs)
      } catch (error) {
        settle(error instanceof Error ? error : new PublishFailed('publish failed'))
      }
    }
  }

  /** That of the connection of this moment; after its reconnect the library subscribes it anew. */
  #inboxNow(): Inbox {
    const connection = connectionOf(this.#link)
    if (this.#inbox?.connection === connection) return this.#inbox
    const prefix = `${newInbox(connection)}.`
    const inbox = { connection, prefix }
    connection.subscribe(`${prefix}*`, { callback: (error, answer) => this.#take(inbox, error, answer) })
    this.#inbox = inbox
    return inbox
  }

  #take(inbox: Inbox, error: Error | null, answer: Msg): void {
    // The server does not let us listen here: no acknowledgement can ever come.
    if (error !== null) {
      if (this.#inbox === inbox) this.#inbox = undefined
      for (const id of this.#waiting.keys()) this.#settle(id, error)
      return
    }
    this.#settle(Number(answer.subject.slice(inbox.prefix.length)), failureIn(answer))
  }

  /** An acknowledgement that comes after its deadline finds nobody. */
  #settle(id: number, failure: Error | undefined): void {
    const settle = this.#waiting.get(id)
    this.#waiting.delete(id)
    this.#deadlines.delete(id)
    settle?.(failure)
  }
}

const NO_RESPONDERS = 503

/** Of the acknowledgement of JetStream, or of the server when no stream takes the subject. */
function failureIn(answer: Msg): Error | undefined {
  if (answer.data.length === 0)
    return new PublishFailed(
      answer.headers?.code === NO_RESPONDERS ? 'no stream takes the subject' : 'empty acknowledgement',
    )
  const said = answer.json<{ stream?: unknown; error?: { description?: unknown; err_code?: number } }>()
  if (said.error !== undefined) return new PublishFailed(String(said.error.description), said.error.err_code)
  return said.stream === undefined || said.stream === ''
    ? new PublishFailed('acknowledged by nobody')
    : undefined
}
