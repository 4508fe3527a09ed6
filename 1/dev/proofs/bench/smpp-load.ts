import { randomUUID } from 'node:crypto'
import {
  AckPolicy,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
} from '@nats-io/jetstream'
import { connect, headers, nanos, type NatsConnection } from '@nats-io/transport-node'
import { encode } from '../../../streams/contracts/decode.ts'
import { commandExample } from '../../../streams/contracts/examples.ts'
import { dispatchCommands } from '../../../streams/contracts/outbound.ts'
import {
  commandDurable,
  commandSubject,
  DUPLICATE_WINDOW_MS,
  natsMessageId,
  STREAMS,
} from '../../../streams/contracts/subjects.ts'
import { sleep } from '../../../streams/platform/backoff.ts'

const COMMANDS = 'SMPP_OUTBOUND'
const RECEIPTS = 'SMS_DLR'
const PUBLISHED_AT_ONCE = 500
const POLL_MS = 20
/** The load is not what is measured. */
const PATIENT_MS = 120_000

/** The last three digits choose what the simulator does: 916 sends no receipt. */
const LAST_DIGITS = { withReceipt: '000', withoutReceipt: '916' }

export const phoneOf = (index: number, withReceipt: boolean): string =>
  `4477${String(index % 100_000).padStart(5, '0')}${LAST_DIGITS[withReceipt ? 'withReceipt' : 'withoutReceipt']}`

/** The commands of one made-up operator in NATS, and what becomes of them there. */
export class Load {
  readonly operatorId = randomUUID()
  readonly #nats: NatsConnection
  readonly #manager: JetStreamManager
  #receiptsBefore = 0

  private constructor(nats: NatsConnection, manager: JetStreamManager) {
    this.#nats = nats
    this.#manager = manager
  }

  static async open(url: string): Promise<Load> {
    const nats = await connect({ servers: url })
    const load = new Load(nats, await jetstreamManager(nats))
    await load.#provision()
    return load
  }

  async #provision(): Promise<void> {
    for (const { name, subjects, maxAgeMs } of STREAMS) {
      await this.#manager.streams.add({
        name,
        subjects: [...subjects],
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        duplicate_window: nanos(DUPLICATE_WINDOW_MS),
        max_age: nanos(maxAgeMs),
      })
    }
    await this.#manager.consumers.add(COMMANDS, {
      durable_name: commandDurable(this.operatorId),
      filter_subject: commandSubject(this.operatorId),
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(60_000),
      max_ack_pending: -1,
    })
    this.#receiptsBefore = await this.#receipts()
  }

  /** With the headers that the bridges give them. */
  async publish(count: number, withReceipt: boolean): Promise<void> {
    const client = jetstream(this.#nats)
    for (let from = 0; from < count; from += PUBLISHED_AT_ONCE) {
      const group = Array.from({ length: Math.min(PUBLISHED_AT_ONCE, count - from) }, (_, at) => {
        const command = this.#command(`+${phoneOf(from + at, withReceipt)}`)
        const given = headers()
        for (const [name, value] of Object.entries(dispatchCommands.headers(command))) given.set(name, value)
        const msgID = natsMessageId(dispatchCommands.name, command.eventId)
        return client.publish(commandSubject(this.operatorId), encode(command), {
          headers: given,
          msgID,
          timeout: PATIENT_MS,
        })
      })
      await Promise.all(group)
    }
  }

  #command(to: string) {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const ids = { messageId: randomUUID(), eventId: randomUUID() }
    return { ...commandExample, ...ids, operatorId: this.operatorId, to, expiresAt }
  }

  /** Until every command is acknowledged and as many receipts are held. */
  async done(receipts: number): Promise<void> {
    while ((await this.#open()) > 0) await sleep(POLL_MS)
    while ((await this.#receipts()) - this.#receiptsBefore < receipts) await sleep(POLL_MS)
  }

  async #open(): Promise<number> {
    const { num_pending, num_ack_pending } = await this.#manager.consumers.info(
      COMMANDS,
      commandDurable(this.operatorId),
    )
    return num_pending + num_ack_pending
  }

  async #receipts(): Promise<number> {
    return (await this.#manager.streams.info(RECEIPTS)).state.messages
  }

  async close(): Promise<void> {
    await this.#manager.consumers.delete(COMMANDS, commandDurable(this.operatorId))
    await this.#nats.close()
  }
}
