import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encode } from '../../../streams/contracts/decode.ts'
import { OUTBOUND_MIRRORS, type Mirror } from '../../../streams/contracts/subjects.ts'
import { memoryLog } from '../../../streams/log/memory.ts'
import type { MemoryFaults } from '../../../streams/log/memory/faults.ts'
import type { LogRecord } from '../../../streams/log/port.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import type { Batch } from '../../../streams/runtime/consume.ts'
import { bridgeInstruments } from '../../instruments.ts'
import { deadLetters } from './dead-letters.ts'
import type { CommandGate } from './command-partition.ts'
import { OutboundBridge } from './outbound.ts'
import { PublishError, type Publication, type Publisher } from './publish.ts'
import { ensureTopics } from '../testing/scene.suite.ts'

const mirrorOf = (topic: string): Mirror => {
  const mirror = OUTBOUND_MIRRORS.find((one) => one.topic === topic)
  if (mirror === undefined) throw new Error(`no mirror for ${topic}`)
  return mirror
}

type Fate = 'stored' | 'lost' | 'reply lost'

/** A stream that knows every id for ever, and does with each publish what the next fate says. */
class ScriptedStream implements Publisher {
  readonly stored: string[] = []
  readonly publishes: string[] = []
  readonly #acknowledged = new Set<string>()
  readonly #fates: Fate[]

  constructor(fates: readonly Fate[]) {
    this.#fates = [...fates]
  }

  publishedAfterAcknowledgement = 0

  async publish({ messageId }: Publication) {
    if (this.#acknowledged.has(messageId)) this.publishedAfterAcknowledgement += 1
    this.publishes.push(messageId)
    const fate = this.#fates.shift() ?? 'stored'
    // Requests overtake each other on their way, which is what different messages may do.
    for (let turns = this.publishes.length % 3; turns > 0; turns -= 1) await Promise.resolve()
    const duplicate = this.stored.includes(messageId)
    if (fate !== 'lost' && !duplicate) this.stored.push(messageId)
    if (fate !== 'stored') throw new PublishError('TEST', 'no answer')
    this.#acknowledged.add(messageId)
    return { kind: 'stored', duplicate, sequence: this.stored.indexOf(messageId) + 1 } as const
  }
}

const record = (topic: string, offset: number, message: number): LogRecord => ({
  topic,
  partition: 0,
  offset,
  timestamp: 1_000 + offset,
  key: Buffer.from(topic === 'smpp.operator' ? 'operator-1' : `message-${message}`),
  value: Buffer.from(encode({ eventId: `event-${offset}`, messageId: `message-${message}` })),
  headers: {},
})

const batchOf = (topic: string, messages: readonly number[]): Batch => ({
  topic,
  partition: 0,
  records: messages.map((message, offset) => record(topic, offset, message)),
  next: messages.length,
})

async function bridgeTo(
  publisher: Publisher,
  topic: string,
  faults: MemoryFaults = {},
): Promise<OutboundBridge> {
  const log = memoryLog({ faults })
  await ensureTopics(log)
  const writer = log.writer()
  return new OutboundBridge({
    mirrors: [{ mirror: mirrorOf(topic), publisher }],
    deadLetters: deadLetters(log, writer, () => 0),
    instruments: bridgeInstruments(new Metrics(), () => true),
    logger: silentLogger,
    now: () => 0,
  })
}

/** That of a partition of which nothing was published before. */
const OPEN: CommandGate = {
  prepare: () => Promise.resolve(),
  covers: () => false,
  isHeld: () => false,
  permit: () => {},
  doubt: () => {},
  lastOf: () => undefined,
  acknowledged: () => {},
  refused: () => Promise.resolve(),
}

async function insist(bridge: OutboundBridge, batch: Batch): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await bridge.handle(batch, batch.topic === 'smpp.operator' ? OPEN : undefined)
      return attempt
    } catch (error) {
      if (!(error instanceof PublishError)) throw error
    }
  }
}

const fates = fc.array(fc.constantFrom<Fate>('stored', 'stored', 'lost', 'reply lost'), { maxLength: 60 })
const messages = fc.array(fc.nat(5), { minLength: 1, maxLength: 40 })

describe('a batch on its way to NATS', () => {
  test.each(['billing.events', 'smpp.operator'])(
    '%s: whatever is lost, each event is stored once and each message keeps its order',
    async (topic) => {
      await fc.assert(
        fc.asyncProperty(messages, fates, async (given, script) => {
          const stream = new ScriptedStream(script)
          const batch = batchOf(topic, given)
          await insist(await bridgeTo(stream, topic), batch)
          const ids = given.map((_, offset) => `${mirrorOf(topic).topic}:event-${offset}`)
          expect([...stream.stored].sort()).toEqual([...ids].sort())
          expect(stream.publishedAfterAcknowledgement).toBe(0)
          for (const message of new Set(given)) {
            const own = ids.filter((_, offset) => given[offset] === message)
            expect(stream.stored.filter((id) => own.includes(id))).toEqual(own)
          }
        }),
        { numRuns: 150 },
      )
    },
  )

  test('different messages are on their way together: the slowest costs no other its turn', async () => {
    const stream = new ScriptedStream([])
    await insist(await bridgeTo(stream, 'billing.events'), batchOf('billing.events', [1, 1, 2, 3]))
    expect(stream.publishes.slice(0, 3)).toEqual([0, 2, 3].map((offset) => `billing.events:event-${offset}`))
  })

  test('a fault of the log while a dead letter is written repeats the batch, not what was acknowledged', async () => {
    const stream = new ScriptedStream([])
    let writes = 0
    const faults: MemoryFaults = { writeLost: () => (writes += 1) <= 2 }
    const bridge = await bridgeTo(stream, 'billing.events', faults)
    const { records } = batchOf('billing.events', [1, 2])
    const unreadable = { ...record('billing.events', 2, 3), value: Buffer.from('no') }
    const batch = { topic: 'billing.events', partition: 0, records: [...records, unreadable], next: 3 }
    await expect(bridge.handle(batch)).rejects.toThrow('lost')
    await expect(bridge.handle(batch)).rejects.toThrow('lost')
    await bridge.handle(batch)
    expect([stream.publishes.length, writes]).toEqual([2, 3])
  })
})
