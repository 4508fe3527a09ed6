import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { dispatchCommands, statusEvents } from '../../../streams/contracts/outbound.ts'
import { billingEvents, webhookEvents } from '../../../streams/contracts/outcomes.ts'
import { connectKafka } from '../../../streams/log/kafka.ts'
import type { Platform } from '../../local/platform.ts'
import { readTopic } from '../demo/collect.ts'
import { SAMPLE_IDENTITY } from '../demo/traffic.ts'

/** Messages that are sent later or cancelled, seen as a client sees them. */

const Message = z.object({ messageId: z.string(), status: z.string(), sendAt: z.string() })
export type Message = z.infer<typeof Message>

const LOOK_MS = 250
const WITHIN_MS = 90_000

export class Client {
  readonly #platform: Platform

  constructor(platform: Platform) {
    this.#platform = platform
  }

  async call(method: string, path: string, body?: object): Promise<Response> {
    const { apiUrl, identity } = this.#platform
    return fetch(`${apiUrl}/v1/sms${path}`, {
      method,
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${await identity.token(SAMPLE_IDENTITY)}`,
        'x-tenant-id': SAMPLE_IDENTITY.tenantId,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  }

  async schedule(sendAtMs: number): Promise<Message> {
    const sendAt = new Date(sendAtMs).toISOString()
    const body = { to: '+447700900123', from: 'GHASI', body: 'Your table is free', sendAt }
    return Message.parse(await (await this.call('POST', '/send', body)).json())
  }

  /** Resolves with the last status that was seen, at the latest after ninety seconds. */
  async untilStatus(messageId: string, wanted: string): Promise<string> {
    const endMs = Date.now() + WITHIN_MS
    for (;;) {
      const { status } = Message.parse(await (await this.call('GET', `/${messageId}`)).json())
      if (status === wanted || Date.now() > endMs) return status
      await sleep(LOOK_MS)
    }
  }
}

/** What the log holds about a message: its path, its commands, how often it was billed and told. */
export async function tracesOf({ stack, partitions }: Platform, messageId: string) {
  const log = connectKafka({ brokers: stack.kafkaBrokers.split(','), clientId: 'e2e' })
  const own = <V extends { readonly messageId: string }>(values: readonly V[]): readonly V[] =>
    values.filter((value) => value.messageId === messageId)
  try {
    const statuses = own(await readTopic(log, statusEvents, partitions)).toSorted((a, b) => a.seq - b.seq)
    return {
      path: statuses.map(({ newStatus }) => newStatus),
      commands: own(await readTopic(log, dispatchCommands, partitions)),
      billed: own(await readTopic(log, billingEvents, partitions)).length,
      told: own(await readTopic(log, webhookEvents, partitions)).length,
    }
  } finally {
    await log.close()
  }
}
