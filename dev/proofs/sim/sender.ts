import { LogError, type LogWriter, type OutRecord } from '../../../streams/log/port.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import type { VirtualTime } from './virtual-time.ts'

const RETRY_MS = 50

export interface Sending {
  readonly topic: string
  readonly key: string
  /** An object, or the bytes of something unreadable. */
  readonly value: object | string
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Writes inputs as a bridge does: at least once, so that a lost reply becomes a duplicate. What was
 * sent at different times arrives in any order.
 */
export class Sender {
  readonly #writer: LogWriter
  readonly #time: VirtualTime
  readonly #partitions: number
  /** Sends that have not arrived yet. */
  pending = 0

  constructor(writer: LogWriter, time: VirtualTime, partitions: number) {
    this.#writer = writer
    this.#time = time
    this.#partitions = partitions
  }

  after(delayMs: number, sending: Sending): void {
    this.pending += 1
    this.#time.after(delayMs, () => void this.#write(sending))
  }

  async #write(sending: Sending): Promise<void> {
    const { topic, key, value, headers = {} } = sending
    const record: OutRecord = {
      topic,
      partition: partitionOf(key, this.#partitions),
      key,
      value: typeof value === 'string' ? value : JSON.stringify(value),
      headers,
      timestamp: this.#time.wallMs,
    }
    try {
      await this.#writer.write([record])
      this.pending -= 1
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      this.#time.after(RETRY_MS, () => void this.#write(sending))
    }
  }
}
