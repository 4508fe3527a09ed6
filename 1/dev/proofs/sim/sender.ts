import { headers as emptyHeaders } from '@nats-io/transport-node'
import { INBOUND_MIRRORS } from '../../../streams/contracts/subjects.ts'
import { Life } from './life.ts'
import type { SimNats } from './nats.ts'
import type { VirtualTime } from './virtual-time.ts'

const RETRY_MS = 50

export interface Sending {
  readonly topic: string
  /** What NATS knows it by; absent of one that it must not take for a repetition. */
  readonly id?: string
  /** An object, or the bytes of something unreadable. */
  readonly value: object | string
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Publishes inputs as the neighbours do: at least once, so that a lost answer becomes a duplicate.
 * What was sent at different times arrives in any order.
 */
export class Sender {
  readonly #nats: SimNats
  readonly #time: VirtualTime
  readonly #life: Life
  #sent = 0
  /** Sends that have not arrived yet. */
  pending = 0

  constructor(nats: SimNats, time: VirtualTime) {
    this.#nats = nats
    this.#time = time
    this.#life = new Life(time)
  }

  after(delayMs: number, sending: Sending): void {
    this.pending += 1
    this.#sent += 1
    const id = `${sending.topic}:${sending.id ?? `nameless-${this.#sent}`}`
    this.#time.after(delayMs, () => void this.#publish(sending, id))
  }

  async #publish(sending: Sending, id: string): Promise<void> {
    const { topic, value, headers = {} } = sending
    const given = emptyHeaders()
    for (const [name, text] of Object.entries(headers)) given.set(name, text)
    const data = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
    try {
      await this.#nats.publish(streamOf(topic), { subject: topic, id, headers: given, data }, this.#life)
      this.pending -= 1
    } catch {
      // Nothing is known of it: again, under the same id.
      this.#time.after(RETRY_MS, () => void this.#publish(sending, id))
    }
  }
}

function streamOf(topic: string): string {
  const mirror = INBOUND_MIRRORS.find((one) => one.topic === topic)
  if (mirror === undefined) throw new Error(`nothing is mirrored to ${topic}`)
  return mirror.stream
}
