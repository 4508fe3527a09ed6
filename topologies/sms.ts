import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { openDesks } from '../sinks/admin/open.ts'
import { connectKafka, kafkaOptions } from '../streams/log/kafka.ts'
import { commonEnv, logEnv, readConfig } from '../streams/platform/config.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { topicSpecs } from '../streams/runtime/provision.ts'
import { runCommand } from '../streams/tools/commands.ts'
import { topicsPage } from '../streams/tools/show-topics.ts'
import type { StorySources } from '../streams/tools/stories.ts'
import { DESCRIBED, describedTopologies, TOPICS_COMMAND, topologiesPage } from './pages.ts'

/**
 * The tool of those who run the platform. Answers go to stdout, log lines and complaints to stderr.
 */
const { LOG_LEVEL } = readConfig({ LOG_LEVEL: commonEnv.LOG_LEVEL })
const topicsWith = (env?: NodeJS.ProcessEnv) => {
  const { LOG_PARTITIONS, LOG_REPLICAS } = logEnv
  const { LOG_PARTITIONS: partitions, LOG_REPLICAS: replicas } = readConfig(
    { LOG_PARTITIONS, LOG_REPLICAS },
    env,
  )
  return topicSpecs(DESCRIBED, { partitions, replicas })
}
const STORIES_PAGE = 'docs/stories.md'
const TEST_FOLDERS = ['api', 'bridges', 'dev', 'ops', 'sinks', 'smpp-gateway', 'streams', 'topologies']
const testPaths = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name}`)
    .filter((path) => /\.(test|suite)\.ts$/.test(path) && !/\/(node_modules|dist|\.stack)\//.test(path))
    .sort()
const readStories = (): StorySources => ({
  page: readFileSync(STORIES_PAGE, 'utf8'),
  tests: TEST_FOLDERS.filter((folder) => existsSync(folder))
    .flatMap(testPaths)
    .map((path) => ({ path, text: readFileSync(path, 'utf8') })),
})
const logger = createLogger({ service: 'sms', level: LOG_LEVEL, destination: process.stderr })

process.exitCode = await runCommand(process.argv.slice(2), {
  topologies: describedTopologies(),
  topics: topicsWith(),
  // A page of docs/ must be the same wherever it is made.
  pages: { topologies: topologiesPage, topics: () => topicsPage(topicsWith({}), TOPICS_COMMAND) },
  stories: existsSync(STORIES_PAGE) ? readStories : undefined,
  readFile: (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined),
  connect: () => connectKafka({ ...kafkaOptions(readConfig(logEnv)), clientId: 'sms', logger }),
  desks: openDesks(logger),
  now: Date.now,
  audit: logger,
  say: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
  user: userInfo().username,
}).catch((error: unknown) => {
  logger.error('sms.failed', { error })
  return 1
})
