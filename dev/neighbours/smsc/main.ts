import { z } from 'zod'
import {
  commonEnv,
  jsonText,
  milliseconds,
  port,
  positive,
  readConfig,
} from '../../../streams/platform/config.ts'
import { createLogger } from '../../../streams/platform/logger.ts'
import { runProcess } from '../../../streams/platform/process.ts'
import { DEFAULT_TIMING, SmscAccount } from './options.ts'
import { startSmsc } from './server.ts'

const config = readConfig({
  ...commonEnv,
  PORT: port.default(2775),
  CONTROL_PORT: port.default(2776),
  OPERATORS: jsonText.pipe(z.array(SmscAccount).min(1)),
  LOG_FILE: z.string().optional(),
  RECEIPT_DELAY_MIN_MS: milliseconds.default(DEFAULT_TIMING.receiptDelayMs.min),
  RECEIPT_DELAY_MAX_MS: milliseconds.default(DEFAULT_TIMING.receiptDelayMs.max),
  RECEIPT_RETRY_MS: milliseconds.default(DEFAULT_TIMING.receiptRetryMs),
  LATE_RESPONSE_MS: milliseconds.default(DEFAULT_TIMING.lateResponseMs),
  RECEIPT_WINDOW: positive.default(DEFAULT_TIMING.receiptWindow),
})

const logger = createLogger({ service: 'smsc', level: config.LOG_LEVEL })

await runProcess(logger, async (closers) => {
  const smsc = await startSmsc({
    host: config.HOST,
    port: config.PORT,
    controlPort: config.CONTROL_PORT,
    operators: config.OPERATORS,
    ...(config.LOG_FILE !== undefined && { logFile: config.LOG_FILE }),
    timing: {
      receiptDelayMs: { min: config.RECEIPT_DELAY_MIN_MS, max: config.RECEIPT_DELAY_MAX_MS },
      receiptRetryMs: config.RECEIPT_RETRY_MS,
      lateResponseMs: config.LATE_RESPONSE_MS,
      receiptWindow: config.RECEIPT_WINDOW,
    },
  })
  closers.add('smsc', smsc, (opened) => opened.close())
})
