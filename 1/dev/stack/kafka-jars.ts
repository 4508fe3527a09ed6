import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runOrExplain } from './command.ts'
import { removeFolder } from './leftovers.ts'
import type { Workplace } from './workplace.ts'

export const kafkaSources = join(dirname(fileURLToPath(import.meta.url)), 'kafka')
const pom = join(kafkaSources, 'pom.xml')

/**
 * Where the jars of this pom.xml lie; another pom has another folder, so a half-updated mixture
 * cannot come about.
 */
export const kafkaJars = (cache: string): string => {
  const version = createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12)
  return join(cache, `kafka-${version}`)
}

export const hasKafkaJars = (cache: string): boolean => existsSync(kafkaJars(cache))

const publish = (made: string, target: string): void => {
  try {
    renameSync(made, target)
  } catch (error) {
    // Another stack that started at the same time was first, with the same jars.
    if (!existsSync(target)) throw error
    removeFolder(made)
  }
}

/**
 * Lets Maven collect the broker's jars, once per pom.xml. They are collected in the run's own
 * folder and renamed into the cache as a whole: what is in the cache is complete. The pom is
 * copied, because Maven writes beside it.
 */
export const ensureKafkaJars = async (place: Workplace): Promise<string> => {
  const target = kafkaJars(place.cache)
  if (existsSync(target)) return target
  place.say('collecting the jars of Apache Kafka with Maven ... (about 60 MB the first time)')
  const work = join(place.run.path, 'kafka-jars')
  mkdirSync(work)
  copyFileSync(pom, join(work, 'pom.xml'))
  const args = ['-B', '-q', 'dependency:copy-dependencies', `-DoutputDirectory=${join(work, 'jars')}`]
  await runOrExplain('Collecting the jars of Apache Kafka', await place.binary('mvn'), args, {
    cwd: work,
    abort: place.abort,
  })
  mkdirSync(place.cache, { recursive: true })
  publish(join(work, 'jars'), target)
  return target
}
