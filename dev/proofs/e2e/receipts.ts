import { setTimeout as sleep } from 'node:timers/promises'
import { headers as natsHeaders } from '@nats-io/transport-node'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Pool } from 'pg'
import { z } from 'zod'
import { decode, encode } from '../../../streams/contracts/decode.ts'
import { billingEvents, webhookEvents } from '../../../streams/contracts/outcomes.ts'
import {
  inboundReceipts,
  unmatchedReceipts,
  type InboundReceipt,
} from '../../../streams/contracts/receipts.ts'
import { connectKafka } from '../../../streams/log/kafka.ts'
import type { LogClient } from '../../../streams/log/port.ts'
import { committedRecords } from '../../committed-records.ts'
import type { Platform } from '../../local/platform.ts'
import { readTopic } from '../demo/collect.ts'

const LOOK_MS = 200
const WITHIN_MS = 90_000

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const deadlineMs = Date.now() + WITHIN_MS; !(await isSo()); await sleep(LOOK_MS))
    if (Date.now() > deadlineMs) throw new Error('it did not come to that in time')
}

/** Receipts as a gateway would publish them, and what the platform makes of them. */
export class Receipts {
  readonly #platform: Platform
  readonly #nats: NatsConnection
  readonly #log: LogClient
  readonly #sql: Pool

  private constructor(platform: Platform, nats: NatsConnection) {
    this.#platform = platform
    this.#nats = nats
    this.#log = connectKafka({ brokers: platform.stack.kafkaBrokers.split(','), clientId: 'e2e' })
    this.#sql = new Pool({ connectionString: platform.stack.databaseUrl, max: 1 })
  }

  static async open(platform: Platform): Promise<Receipts> {
    return new Receipts(platform, await connect({ servers: platform.stack.natsUrl }))
  }

  async close(): Promise<void> {
    await this.#nats.close()
    await this.#sql.end()
    await this.#log.close()
  }

  async publish(receipt: InboundReceipt): Promise<void> {
    const headers = natsHeaders()
    headers.set('Nats-Msg-Id', `${inboundReceipts.name}:${receipt.eventId}`)
    await jetstream(this.#nats).publish(inboundReceipts.name, encode(receipt), { headers })
  }

  /** What the gateway has published of a message of one segment that was delivered. */
  async ofDelivered(): Promise<InboundReceipt> {
    for (let partition = 0; partition < this.#platform.partitions; partition += 1) {
      for await (const { value } of committedRecords(this.#log, { topic: inboundReceipts.name, partition })) {
        const read = decode(inboundReceipts, value)
        if (read.ok && read.value.stat === 'DELIVRD' && read.value.totalSegments === 1) return read.value
      }
    }
    throw new Error('no message was delivered')
  }

  /** The next one that NATS has for the reconciliation job. */
  async nextUnmatched(cause: () => Promise<void>): Promise<z.infer<typeof unmatchedReceipts.schema>> {
    const subscription = this.#nats.subscribe(unmatchedReceipts.name, { max: 1 })
    await this.#nats.flush()
    await cause()
    for await (const message of subscription) return unmatchedReceipts.schema.parse(message.json())
    throw new Error('the subscription has ended')
  }

  /** Every receipt is acknowledged, and what came of them is in the tables. */
  async settled(): Promise<{ readonly redelivered: number }> {
    const manager = await jetstreamManager(this.#nats)
    const info = () => manager.consumers.info('SMS_DLR', 'dlr-processor')
    await until(async () => {
      const { num_pending, num_ack_pending } = await info()
      return num_pending + num_ack_pending === 0
    })
    return { redelivered: (await info()).num_redelivered }
  }

  async orphanRows(operatorMessageId: string): Promise<number> {
    const text = 'SELECT count(*)::int AS n FROM dlr.orphan_dlrs WHERE operator_message_id = $1'
    return this.#count(text, [operatorMessageId])
  }

  async receiptRows(messageId: string): Promise<number> {
    return this.#count('SELECT count(*)::int AS n FROM dlr.delivery_receipts WHERE message_id = $1', [
      messageId,
    ])
  }

  /** Receipts that the topologies have dropped as repetitions, at whichever layer. */
  async dropped(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#platform.ports.topologies}/metrics`)
    const dropped = /^dlr_(?:dedup|duplicates|redelivered|late|quarantined)_total(?:\{.*\})? (\d+)$/gm
    return [...(await response.text()).matchAll(dropped)].reduce((sum, [, count]) => sum + Number(count), 0)
  }

  async untilDropped(count: number): Promise<void> {
    await until(async () => (await this.dropped()) >= count)
  }

  async eventsOf(messageId: string): Promise<{ readonly billed: number; readonly told: number }> {
    const { partitions } = this.#platform
    const of = (event: { readonly messageId: string }): boolean => event.messageId === messageId
    return {
      billed: (await readTopic(this.#log, billingEvents, partitions)).filter(of).length,
      told: (await readTopic(this.#log, webhookEvents, partitions)).filter(of).length,
    }
  }

  async #count(text: string, values: readonly string[]): Promise<number> {
    const { rows } = await this.#sql.query(text, [...values])
    return z.array(z.object({ n: z.number() })).parse(rows)[0]?.n ?? 0
  }
}
