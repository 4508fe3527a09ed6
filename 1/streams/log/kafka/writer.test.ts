import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { LogError } from '../port.ts'
import { LateNetwork } from './testing/late-network.suite.ts'
import type { Fate } from './testing/late-network.suite.ts'
import { ModelBroker } from './testing/model-broker.suite.ts'
import { KafkaWriter } from './writer.ts'

const TEST_TIMEOUT_MS = 60_000
const WRITES = Array.from({ length: 6 }, (_, i) => `${i + 1}`)

/** A write gives up after some three hundred attempts. */
const burst = fc.record({
  at: fc.integer({ min: 1, max: 30 }),
  count: fc.integer({ min: 1, max: 450 }),
  late: fc.integer({ min: 1, max: 500 }),
})

/** What is in doubt is written again, as the port demands. */
async function write(writer: KafkaWriter, value: string): Promise<void> {
  const record = { topic: 'topic', partition: 0, key: 'k', value, timestamp: 1 }
  for (;;) {
    try {
      await writer.write([record])
      return
    } catch (error) {
      if (!(error instanceof LogError)) throw error
    }
  }
}

it(
  'fault R5: a writer has the last word with the repetition of what it gave up on',
  async () => {
    const ordered = fc.asyncProperty(fc.array(burst, { minLength: 1, maxLength: 3 }), async (bursts) => {
      const fateOf = (index: number): Fate => {
        const found = bursts.find(({ at, count }) => at <= index && index < at + count)
        return found === undefined ? 'answered' : { late: found.late }
      }
      const model = new ModelBroker(1)
      const network = new LateNetwork(model, fateOf, () => undefined)
      const writer = new KafkaWriter(network.brokers, 'test')
      for (const value of WRITES) await write(writer, value)
      network.arrive()
      const seen = model.partitions[0]?.committed ?? []
      const lastOf = (value: string): number => seen.lastIndexOf(value)
      expect([...new Set(seen)].toSorted((a, b) => lastOf(a) - lastOf(b))).toEqual(WRITES)
    })
    await expect(fc.assert(ordered, { numRuns: 200 })).resolves.toBeUndefined()
  },
  TEST_TIMEOUT_MS,
)
