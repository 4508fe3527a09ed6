import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { runOrExplain } from './command.ts'
import { findProgram, locate } from './install.ts'
import { hasKafkaJars, kafkaJars } from './kafka-jars.ts'
import { stackRoot } from './run-folder.ts'

const pom = join(dirname(fileURLToPath(import.meta.url)), 'kafka-tools', 'pom.xml')
const cache = join(stackRoot, 'cache')
const jars = join(cache, 'kafka-tools-4.3.1')

/**
 * Moves cursors back to the first record of every topic of a group, as an operator does: with the
 * broker's own tool where this machine has its jars, else by the request that the tool sends.
 * Refused by the broker while the group has members.
 */
export async function resetGroup(brokers: string, group: string): Promise<'tool' | 'request'> {
  if (!hasKafkaJars(cache) || (!existsSync(jars) && findProgram('mvn') === undefined)) {
    await resetByRequest(brokers, group)
    return 'request'
  }
  if (!existsSync(jars)) await collectTools()
  await resetByTool(brokers, group)
  return 'tool'
}

/** Collected beside the cache and renamed into it: what is there is complete. */
async function collectTools(): Promise<void> {
  const work = mkdtempSync(join(cache, 'collecting-'))
  try {
    copyFileSync(pom, join(work, 'pom.xml'))
    mkdirSync(join(work, 'jars'))
    const what = ['dependency:copy-dependencies', '-DexcludeTransitive=true']
    const args = ['-B', '-q', ...what, `-DoutputDirectory=${join(work, 'jars')}`]
    await runOrExplain('Collecting the tools of Apache Kafka', await locate('mvn'), args, { cwd: work })
    if (!existsSync(jars)) renameSync(join(work, 'jars'), jars)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const QUICK_START = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx128m']
const TOOL = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'

async function resetByTool(brokers: string, group: string): Promise<void> {
  const classpath = [join(jars, '*'), join(kafkaJars(cache), '*')].join(delimiter)
  const what = ['--bootstrap-server', brokers, '--group', group, '--reset-offsets', '--to-earliest']
  const args = [...QUICK_START, '-cp', classpath, TOOL, ...what, '--all-topics', '--execute']
  const output = await runOrExplain(`Resetting ${group}`, await locate('java'), args)
  // The tool reports a group with members as a line, and exits with 0.
  if (/^Error/m.test(output)) throw new Error(`${group} was not reset: ${output}`)
}

async function resetByRequest(brokers: string, group: string): Promise<void> {
  const kafka = new Kafka({ clientId: 'reset', brokers: brokers.split(','), logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  try {
    for (const { topic } of await admin.fetchOffsets({ groupId: group }))
      await admin.resetOffsets({ groupId: group, topic, earliest: true })
  } finally {
    await admin.disconnect()
  }
}
