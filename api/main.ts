import { randomUUID } from 'node:crypto'
import { createLog, type Log } from '../streams/platform/log.ts'
import { Metrics } from '../streams/platform/metrics.ts'
import { runProcess } from '../streams/platform/process.ts'
import { startTracing } from '../streams/platform/tracing.ts'
import { readApiConfig } from './config.ts'
import { startApi } from './start.ts'

const config = readApiConfig()
const log: Log = createLog({ service: 'api', level: config.LOG_LEVEL })

await runProcess(log, async (closers) => {
  closers.add('tracing', startTracing('api', config.OTEL_EXPORTER_OTLP_ENDPOINT), (tracing) =>
    tracing.close(),
  )
  const api = await startApi(
    config,
    {
      log,
      metrics: new Metrics().withProcessMetrics(),
      now: Date.now,
      newId: randomUUID,
      random: Math.random,
    },
    closers,
  )
  log.info('api.listening', { address: `${config.HOST}:${api.port}` })
})
