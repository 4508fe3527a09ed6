import { parseArgs } from 'node:util'
import { connectKafka } from '../../../../streams/log/kafka.ts'
import { sleep } from '../../../../streams/platform/backoff.ts'
import { counting, startWorker } from '../../../../streams/runtime/testing/counting.suite.ts'
import type { TaskId } from '../../../../streams/runtime/watch/hooks.ts'
import { NO_STANDBYS } from '../../../../streams/runtime/limits.ts'
import { levelStores } from '../../../../streams/runtime/store/level.ts'

/**
 * A process of the standby benchmark: one worker, which says as lines of JSON on its output what
 * happens to its tasks, and when.
 */
const { values } = parseArgs({
  options: {
    scene: { type: 'string', default: '' },
    directory: { type: 'string', default: '' },
    replicas: { type: 'string', default: '0' },
  },
})
const STANDBY_EVERY_MS = 100

const tell = (event: string, { partition }: Pick<TaskId, 'partition'>, records = 0): void =>
  void process.stdout.write(`${JSON.stringify({ event, partition, records, atMs: Date.now() })}\n`)

const brokers = (process.env['KAFKA_BROKERS'] ?? '').split(',')
const log = connectKafka({ brokers, clientId: 'bench-standby' })
const worker = await startWorker({
  log,
  counting: counting(values.scene),
  stores: levelStores(values.directory, sleep),
  standbys: { ...NO_STANDBYS, replicas: Number(values.replicas) },
  limits: { commitMs: 100 },
  hooks: {
    restored: (task, records) => tell('restored', task, records),
    committed: (task) => tell('committed', task),
    running: (task) => tell('running', task),
    closed: (task) => tell('closed', task),
    failed: (task, error) => {
      tell('failed', task)
      console.error(error)
    },
  },
})
const timer = setInterval(() => {
  for (const [partition, behind] of worker.standbys()) tell('standby', { partition }, behind)
}, STANDBY_EVERY_MS)

process.once('SIGTERM', () => {
  clearInterval(timer)
  void worker
    .close()
    .then(() => log.close())
    .then(() => process.exit(0))
})
