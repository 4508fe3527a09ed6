import { sleep } from '../streams/platform/backoff.ts'
import { commonEnv, ConfigError, natsEnv, readConfig } from '../streams/platform/config.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { provisionEnv, provisionOptions } from './config.ts'
import { connectNats } from './nats/connect.ts'
import { provisionThrough } from './nats/provision.ts'

/** Runs once, under the NATS user `provisioner`: the only one that may make streams and durables (spec operations.md §6). */
const config = readConfig({ ...commonEnv, ...natsEnv, ...provisionEnv })
const logger = createLogger({ service: 'nats-provisioner', level: config.LOG_LEVEL })
// Only main.ts may read files (streams/architecture.test.ts): the provisioner's user and password stand in NATS_URL.
if (config.NATS_CREDS !== undefined)
  throw new ConfigError('NATS_CREDS is not supported by the provisioner: give user and password in NATS_URL')
const link = connectNats({ url: config.NATS_URL, user: 'provisioner', logger })
await provisionThrough(link, { ...provisionOptions(config), sleep, random: Math.random, logger })
await link.close()
