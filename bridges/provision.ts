import { sleep } from '../streams/platform/backoff.ts'
import { commonEnv, natsEnv, readConfig } from '../streams/platform/config.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { provisionEnv, provisionOptions } from './config.ts'
import { connectNats } from '../streams/nats/link.ts'
import { provisionThrough } from './nats/provision.ts'

/**
 * Runs once, under the NATS user `provisioner`. No other user should make streams and durables; as
 * yet the bridges do by default [NU1].
 */
const config = readConfig({ ...commonEnv, ...natsEnv, ...provisionEnv })
const logger = createLogger({ service: 'nats-provisioner', level: config.LOG_LEVEL })
const { NATS_URL: url, NATS_CREDS: credsFile, NATS_CA_FILE: caFile } = config
const link = connectNats({ url, credsFile, caFile, user: 'provisioner', logger })
await provisionThrough(link, { ...provisionOptions(config), sleep, random: Math.random, logger })
await link.close()
