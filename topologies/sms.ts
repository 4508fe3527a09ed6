import { userInfo } from 'node:os'
import { connectKafka } from '../streams/log/kafka.ts'
import { commonEnv, logEnv, readConfig } from '../streams/platform/config.ts'
import { createLog } from '../streams/platform/log.ts'
import { topicSpecs } from '../streams/runtime/provision.ts'
import { runCommand } from '../streams/tools/commands.ts'
import { topicsPage } from '../streams/tools/show-topics.ts'
import { DESCRIBED, describedTopologies, TOPICS_COMMAND, topologiesPage } from './pages.ts'

/** The tool of whoever runs the platform. Answers go to stdout, log lines and complaints to stderr. */
const { LOG_LEVEL } = readConfig({ LOG_LEVEL: commonEnv.LOG_LEVEL })
const topicsWith = (env?: NodeJS.ProcessEnv) => {
  const { LOG_PARTITIONS, LOG_REPLICAS } = logEnv
  const { LOG_PARTITIONS: partitions, LOG_REPLICAS: replicas } = readConfig(
    { LOG_PARTITIONS, LOG_REPLICAS },
    env,
  )
  return topicSpecs(DESCRIBED, { partitions, replicas })
}
const log = createLog({ service: 'sms', level: LOG_LEVEL, destination: process.stderr })

process.exitCode = await runCommand(process.argv.slice(2), {
  topologies: describedTopologies(),
  topics: topicsWith(),
  // A page of docs/ must be the same wherever it is made.
  pages: { topologies: topologiesPage, topics: () => topicsPage(topicsWith({}), TOPICS_COMMAND) },
  connect: () => connectKafka({ brokers: readConfig(logEnv).KAFKA_BROKERS, clientId: 'sms', log }),
  now: Date.now,
  audit: log,
  say: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
  user: userInfo().username,
}).catch((error: unknown) => {
  log.error('sms.failed', { error })
  return 1
})
