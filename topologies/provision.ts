import { connectKafka } from '../streams/log/kafka.ts'
import { commonEnv, logEnv, readConfig } from '../streams/platform/config.ts'
import { createLog } from '../streams/platform/log.ts'
import { provisionTopics } from '../streams/runtime/provision.ts'
import { allTopologies } from './all.ts'

/** Creates every topic of the platform, or verifies it, then ends. Safe to repeat; a difference is an error that names it. */
const config = readConfig({ ...commonEnv, ...logEnv })
const log = createLog({ service: 'provision-log', level: config.LOG_LEVEL })
const client = connectKafka({ brokers: config.KAFKA_BROKERS, clientId: 'provision', log })

try {
  await provisionTopics(client.admin, allTopologies({ rulesOf: () => ['exact'] }), {
    partitions: config.LOG_PARTITIONS,
    replicas: config.LOG_REPLICAS,
  })
  log.info('provision.done')
} catch (error) {
  log.error('provision.failed', { error })
  process.exitCode = 1
} finally {
  await client.close()
}
