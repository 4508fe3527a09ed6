import { connectKafka, kafkaOptions } from '../streams/log/kafka.ts'
import { commonEnv, logEnv, readConfig } from '../streams/platform/config.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { provisionTopics } from '../streams/runtime/provision.ts'
import { allTopologies } from './all.ts'

/**
 * Creates every topic of the platform, or verifies it, then ends. Safe to repeat; a difference is
 * an error that names it.
 */
const config = readConfig({ ...commonEnv, ...logEnv })
const logger = createLogger({ service: 'provision-log', level: config.LOG_LEVEL })
const client = connectKafka({ ...kafkaOptions(config), clientId: 'provision', logger })

try {
  await provisionTopics(client.admin, allTopologies({ rulesOf: () => ['exact'] }), {
    partitions: config.LOG_PARTITIONS,
    replicas: config.LOG_REPLICAS,
  })
  logger.info('provision.done')
} catch (error) {
  logger.error('provision.failed', { error })
  process.exitCode = 1
} finally {
  await client.close()
}
