import { connectKafka } from '../streams/log/kafka.ts'
import { connectNats } from '../streams/nats/link.ts'
import { sleep } from '../streams/platform/backoff.ts'
import { commonEnv, logEnv, natsEnv, readConfig } from '../streams/platform/config.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { provisionEnv, provisionOptions } from './config.ts'
import { marksOn } from './nats/durable-start.ts'
import { provisionThrough } from './nats/provision.ts'

/**
 * Runs once, under the NATS user `provisioner`. No other user should make streams and durables; as
 * yet the bridges do by default [NU1]. The log is asked only when a durable of commands is missing
 * whose stream is not empty: without KAFKA_BROKERS such a durable is not made.
 */
const config = readConfig({
  ...commonEnv,
  ...natsEnv,
  ...provisionEnv,
  KAFKA_BROKERS: logEnv.KAFKA_BROKERS.optional(),
})
const logger = createLogger({ service: 'nats-provisioner', level: config.LOG_LEVEL })
const { NATS_URL: url, NATS_CREDS: credsFile, NATS_CA_FILE: caFile, KAFKA_BROKERS: brokers } = config
const log = brokers && connectKafka({ brokers, clientId: 'nats-provisioner', logger })
const link = connectNats({ url, credsFile, caFile, user: 'provisioner', logger })
await provisionThrough(link, {
  ...provisionOptions(config),
  ...(log !== undefined && { marks: marksOn(log) }),
  sleep,
  random: Math.random,
  logger,
})
await link.close()
await log?.close()
