import { randomUUID } from 'node:crypto'
import type { ConsumerInfo } from '@nats-io/jetstream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { encode } from '../../../streams/contracts/decode.ts'
import { submitResultExample } from '../../../streams/contracts/examples.ts'
import { connectNats, jetstreamOf, type NatsLink } from '../../../streams/nats/link.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { envOf, Rig } from '../../testing/rig.suite.ts'
import { PublishedResults } from './published-results.ts'

const HOUR_MS = 3_600_000

let rig: Rig
let link: NatsLink
let results: PublishedResults
/** It stands still: what has just been read is fresh. */
let elapsedMs: number
beforeEach(async () => {
  rig = new Rig()
  await rig.openNats()
  link = connectNats({ url: envOf('NATS_URL'), user: 'smpp-connector', logger: silentLogger })
  rig.onClose(() => link.close())
  await link.whenConnected(AbortSignal.timeout(10_000))
  elapsedMs = 0
  results = new PublishedResults(link, silentLogger, () => elapsedMs)
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rig.close()
})

async function publish(): Promise<string> {
  const messageId = randomUUID()
  const event = encode({ ...submitResultExample, eventId: randomUUID(), messageId })
  await rig.nats.request('smpp.submit.result', event, { timeout: 5_000 })
  return messageId
}

/** Whether the results say that the first segment of a message was sent. */
const isSent = async (messageId: string, since = Date.now()): Promise<boolean | undefined> =>
  (await results.of(messageId, since))?.has(submitResultExample.segmentIndex)

describe('[S4] what NATS holds of a command that Redis has forgotten', () => {
  it('is found, and a look that failed is none', async () => {
    const messageId = await publish()
    expect(await isSent(messageId)).toBe(true)
    const { consumers } = jetstreamOf(link)
    const get = vi.spyOn(consumers, 'get').mockRejectedValue(new Error('NATS is away'))
    expect(await isSent(messageId, Date.now() - 3 * HOUR_MS)).toBe(undefined)
    expect(await isSent(messageId)).toBe(undefined)
    get.mockRestore()
    expect(await isSent(messageId)).toBe(true)
  })

  it('is found while others are published', async () => {
    const messageId = await publish()
    const { consumers } = jetstreamOf(link)
    const get = consumers.get.bind(consumers)
    vi.spyOn(consumers, 'get').mockImplementation(async (...asked) => {
      const consumer = await get(...asked)
      const info = consumer.info.bind(consumer)
      vi.spyOn(consumer, 'info').mockImplementation(async () => {
        const before: ConsumerInfo = await info()
        for (let count = 0; count < before.num_pending; count += 1) await publish()
        return before
      })
      return consumer
    })
    expect(await isSent(messageId)).toBe(true)
  })

  it('is not looked for in all that was published since the last look', async () => {
    await isSent(await publish())
    const get = vi.spyOn(jetstreamOf(link).consumers, 'get')
    elapsedMs += 24 * HOUR_MS
    const since = Date.now() + 24 * HOUR_MS
    await results.of(randomUUID(), since)
    const starts = get.mock.calls.map(([, asked]) => JSON.stringify(asked))
    expect(starts).toHaveLength(1)
    const start = /"opt_start_time":"([^"]*)"/.exec(starts[0] ?? '')?.[1]
    expect(Date.parse(start ?? '')).toBeGreaterThan(since - 2 * HOUR_MS)
  })
})
