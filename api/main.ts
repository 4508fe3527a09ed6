import { randomUUID } from 'node:crypto'
import { createLogger, type Logger } from '../streams/platform/logger.ts'
import { Metrics } from '../streams/platform/metrics.ts'
import { runProcess } from '../streams/platform/process.ts'
import { startTracing } from '../streams/platform/tracing.ts'
import { readApiConfig } from './config.ts'
import { startApi } from './start.ts'

const config = readApiConfig()
const logger: Logger = createLogger({ service: 'api', level: config.LOG_LEVEL })

await runProcess(logger, async (closers) => {
  closers.add('tracing', startTracing('api', config.OTEL_EXPORTER_OTLP_ENDPOINT), (tracing) =>
    tracing.close(),
  )
  const api = await startApi(
    config,
    {
      logger,
      metrics: new Metrics().withProcessMetrics(),
      now: Date.now,
      monotonicMs: () => performance.now(),
      newId: randomUUID,
      random: Math.random,
    },
    closers,
  )
  logger.info('api.listening', { address: `${config.HOST}:${api.port}` })
})
