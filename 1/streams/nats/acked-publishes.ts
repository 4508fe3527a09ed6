import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { Deadlines } from '../platform/deadlines.ts'
import { answerIn, silence, type StreamAnswer } from './stream-answer.ts'
import { connectionOf, newInbox, type NatsLink } from './link.ts'

export interface AckedPublishesOptions {
  readonly link: NatsLink
  /** Monotonic ms. */
  readonly now?: () => number
}

export interface Outgoing {
  readonly subject: string
  readonly payload: string | Uint8Array
  readonly headers: MsgHdrs
  /** Of few values: those that wait equally long share a timer. */
  readonly ackMsMax: number
  /** Called in the turn in which the message leaves. When it throws, nothing has left. */
  readonly permit?: () => void
}

interface Waiting {
  readonly outgoing: Outgoing
  readonly resolve: (answer: StreamAnswer) => void
  readonly reject: (error: unknown) => void
}

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
  readonly #waiting = new Map<number, Waiting['resolve']>()
  #queue: Waiting[] = []
  #inbox: Inbox | undefined
  #count = 0

  constructor({ link, now = () => performance.now() }: AckedPublishesOptions) {
    this.#link = link
    const late = silence('not acknowledged in time')
    this.#deadlines = new Deadlines({ now, onExpired: (id) => this.#settle(id, late) })
  }

  /**
   * Resolves within `ackMsMax`. Rejects when nothing was sent: NotConnected, what `permit` threw,
   * and InvalidArgumentError or InvalidSubjectError for what no server could ever take.
   */
  publish(outgoing: Outgoing): Promise<StreamAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#queue.push({ outgoing, resolve, reject }) === 1) setImmediate(() => this.#send())
    })
  }

  #send(): void {
    const queue = this.#queue
    this.#queue = []
    for (const { outgoing, resolve, reject } of queue) {
      try {
        const { subject, payload, headers, ackMsMax, permit } = outgoing
        permit?.()
        const { connection, prefix } = this.#inboxNow()
        const id = ++this.#count
        connection.publish(subject, payload, { headers, reply: `${prefix}${id}` })
        this.#waiting.set(id, resolve)
        this.#deadlines.set(id, ackMsMax)
      } catch (error) {
        reject(error)
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
    if (error === null)
      return this.#settle(Number(answer.subject.slice(inbox.prefix.length)), answerIn(answer))
    // The server does not let us listen here: no acknowledgement can ever come.
    if (this.#inbox === inbox) this.#inbox = undefined
    for (const id of this.#waiting.keys()) this.#settle(id, silence('no right to hear the answer'))
  }

  /** An acknowledgement that comes after its deadline finds nobody. */
  #settle(id: number, answer: StreamAnswer): void {
    const resolve = this.#waiting.get(id)
    this.#waiting.delete(id)
    this.#deadlines.delete(id)
    resolve?.(answer)
  }
}
