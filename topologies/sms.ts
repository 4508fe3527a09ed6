import { userInfo } from 'node:os'
import { connectKafka } from '../streams/log/kafka.ts'
import { commonEnv, logEnv, readConfig } from '../streams/platform/config.ts'
import { createLog } from '../streams/platform/log.ts'
import { runCommand } from '../streams/tools/commands.ts'
import { describedTopologies, topologiesPage } from './pages.ts'

/** The tool of whoever runs the platform. Answers go to stdout, log lines and complaints to stderr. */
const { LOG_LEVEL } = readConfig({ LOG_LEVEL: commonEnv.LOG_LEVEL })
const log = createLog({ service: 'sms', level: LOG_LEVEL, destination: process.stderr })

process.exitCode = await runCommand(process.argv.slice(2), {
  topologies: describedTopologies(),
  pages: { topologies: topologiesPage },
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
