import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { connectKafka } from '../../../streams/log/kafka.ts'
import type { LogClient } from '../../../streams/log/port.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { counting, provisionCounting, startWorker } from '../../../streams/runtime/testing/counting.suite.ts'
import { levelStores } from '../../../streams/runtime/store/level.ts'

/**
 * How long a task without a local store takes to restore its rows from the changelog of a real
 * broker.
 */
const { values } = parseArgs({
  options: { keys: { type: 'string', default: '1000000' }, bytes: { type: 'string', default: '200' } },
})
const keys = Number(values.keys)
const brokers = (process.env['KAFKA_BROKERS'] ?? '').split(',')
const BATCH = 5000

const log = connectKafka({ brokers, clientId: 'bench-restore' })
const given = counting(`bench-${randomUUID().slice(0, 8)}`)
await provisionCounting(log, given, 1)
await fill(log, `${given.topology.name}-counts-changelog`)

const directory = await mkdtemp(join(tmpdir(), 'bench-restore-'))
const restored = { records: 0, elapsedMs: 0, done: false }
const worker = await startWorker({
  log,
  counting: given,
  stores: levelStores(directory, sleep),
  hooks: {
    restored: (_, records, elapsedMs) => Object.assign(restored, { records, elapsedMs }),
    running: () => (restored.done = true),
    failed: (_, error) => console.error(error),
  },
})
while (!restored.done) await sleep(20)
await worker.close()
await log.close()
await rm(directory, { recursive: true, force: true })
console.log(
  JSON.stringify({
    name: 'restore',
    keys: restored.records,
    rowBytes: Number(values.bytes),
    elapsedMs: restored.elapsedMs,
    restorePerSecond: Math.round((restored.records * 1000) / restored.elapsedMs),
    rssMb: Math.round(process.memoryUsage().rss / 2 ** 20),
  }),
)

async function fill(client: LogClient, topic: string): Promise<void> {
  const writer = client.writer()
  const padding = 'x'.repeat(Number(values.bytes))
  for (let from = 0; from < keys; from += BATCH) {
    const records = Array.from({ length: Math.min(BATCH, keys - from) }, (_, index) => ({
      topic,
      partition: 0,
      key: `key-${from + index}`,
      value: JSON.stringify({ state: { count: index, padding } }),
      timestamp: Date.now(),
    }))
    await writer.write(records)
  }
  await writer.close()
}
