import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
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
import { ScenarioFile } from './faults.ts'
import { DEFAULT_TIMING, SmscAccount } from './options.ts'
import { startSmsc } from './server.ts'

const config = readConfig({
  ...commonEnv,
  PORT: port.default(2775),
  CONTROL_PORT: port.default(2776),
  /** Those of the scenario unless given. */
  OPERATORS: jsonText.pipe(z.array(SmscAccount).min(1)).optional(),
  LOG_FILE: z.string().optional(),
  RECEIPT_DELAY_MIN_MS: milliseconds.default(DEFAULT_TIMING.receiptDelayMs.min),
  RECEIPT_DELAY_MAX_MS: milliseconds.default(DEFAULT_TIMING.receiptDelayMs.max),
  RECEIPT_RETRY_MS: milliseconds.default(DEFAULT_TIMING.receiptRetryMs),
  LATE_RESPONSE_MS: milliseconds.default(DEFAULT_TIMING.lateResponseMs),
  RECEIPT_WINDOW: positive.default(DEFAULT_TIMING.receiptWindow),
})

const { values } = parseArgs({ options: { scenario: { type: 'string' } } })
const scenario = ScenarioFile.parse(
  values.scenario === undefined ? {} : JSON.parse(readFileSync(values.scenario, 'utf8')),
)

const logger = createLogger({ service: 'smsc', level: config.LOG_LEVEL })

await runProcess(logger, async (closers) => {
  const smsc = await startSmsc({
    host: config.HOST,
    port: config.PORT,
    controlPort: config.CONTROL_PORT,
    operators: config.OPERATORS ?? scenario.operators,
    faults: scenario.faults,
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
