import type { JsMsg } from '@nats-io/jetstream'

type Holdable = Pick<JsMsg, 'seq' | 'timestampNanos' | 'data' | 'ack' | 'working'>

/**
 * Messages delivered and not yet acknowledged, in the order of their first delivery. The durable's
 * `max_ack_pending` bounds them: a redelivery of a message that is still here replaces it in its
 * place.
 */
export class UnacknowledgedMessages<M extends Holdable> {
  readonly #messages = new Map<string, M>()

  get size(): number {
    return this.#messages.size
  }

  take(message: M): void {
    this.#messages.set(identity(message), message)
  }

  /**
   * The oldest messages, in order; always one if there is any, and beyond it only what fits both
   * limits.
   */
  oldest(messagesMax: number, bytesMax: number): readonly M[] {
    const batch: M[] = []
    let bytes = 0
    for (const message of this.#messages.values()) {
      bytes += message.data.length
      if (batch.length > 0 && (batch.length >= messagesMax || bytes > bytesMax)) break
      batch.push(message)
    }
    return batch
  }

  /** Acknowledges under the newest delivery, which is the one that the server waits for. */
  acknowledge(message: M): void {
    const id = identity(message)
    this.#messages.get(id)?.ack()
    this.#messages.delete(id)
  }

  /**
   * Tells the server that all of them are still being worked on, so that it does not deliver them
   * again.
   */
  working(): void {
    for (const message of this.#messages.values()) message.working()
  }
}

// The time too: a stream that was deleted and made again counts its sequence from one.
const identity = (message: Holdable): string => `${message.seq}:${message.timestampNanos}`
