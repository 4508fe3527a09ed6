import { z } from 'zod'
import { commonEnv, natsEnv, port, readConfig } from '../../../streams/platform/config.ts'
import { createLog } from '../../../streams/platform/log.ts'
import { runProcess } from '../../../streams/platform/process.ts'
import { jsonText } from '../../json.ts'
import { Route } from './routes.ts'
import { startRoutingEngine } from './server.ts'

const config = readConfig({
  ...commonEnv,
  ...natsEnv,
  PORT: port.default(50_051),
  ROUTES: jsonText(z.array(Route)),
})

const log = createLog({ service: 'routing-engine', level: config.LOG_LEVEL })

await runProcess(log, async (closers) => {
  const server = await startRoutingEngine({
    host: config.HOST,
    port: config.PORT,
    routes: config.ROUTES,
    natsUrl: config.NATS_URL,
    log,
  })
  closers.add('grpc', server, (opened) => opened.close())
})
