import { z } from 'zod'
import { commonEnv, jsonText, port, readConfig } from '../../../streams/platform/config.ts'
import { createLogger } from '../../../streams/platform/logger.ts'
import { runProcess } from '../../../streams/platform/process.ts'
import { Operator } from './operators.ts'
import { startOperatorManagement } from './server.ts'

const config = readConfig({
  ...commonEnv,
  PORT: port.default(3020),
  INTERNAL_SERVICE_TOKEN: z.string().min(1),
  OPERATORS: jsonText.pipe(z.array(Operator)),
})

const logger = createLogger({ service: 'operator-management', level: config.LOG_LEVEL })

await runProcess(logger, async (closers) => {
  const server = await startOperatorManagement({
    host: config.HOST,
    port: config.PORT,
    token: config.INTERNAL_SERVICE_TOKEN,
    operators: config.OPERATORS,
  })
  closers.add('http', server, (opened) => opened.close())
})
