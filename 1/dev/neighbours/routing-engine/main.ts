import { z } from 'zod'
import { commonEnv, jsonText, natsEnv, port, readConfig } from '../../../streams/platform/config.ts'
import { createLogger } from '../../../streams/platform/logger.ts'
import { runProcess } from '../../../streams/platform/process.ts'
import { Route } from './routes.ts'
import { startRoutingEngine } from './server.ts'

const config = readConfig({
  ...commonEnv,
  ...natsEnv,
  PORT: port.default(50_051),
  ROUTES: jsonText.pipe(z.array(Route)),
})

const logger = createLogger({ service: 'routing-engine', level: config.LOG_LEVEL })

await runProcess(logger, async (closers) => {
  const server = await startRoutingEngine({
    host: config.HOST,
    port: config.PORT,
    routes: config.ROUTES,
    natsUrl: config.NATS_URL,
    logger,
  })
  closers.add('grpc', server, (opened) => opened.close())
})
