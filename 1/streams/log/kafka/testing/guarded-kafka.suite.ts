import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { selfSigned } from '../../../../dev/stack/certificate.ts'
import { startChild } from '../../../../dev/stack/child.ts'
import { runOrExplain } from '../../../../dev/stack/command.ts'
import { locate } from '../../../../dev/stack/install.ts'
import { hasKafkaJars, kafkaJars, kafkaSources } from '../../../../dev/stack/kafka-jars.ts'
import { freePort } from '../../../../dev/stack/ports.ts'
import { stackRoot } from '../../../../dev/stack/run-folder.ts'
import { openCluster } from '../cluster/open-cluster.ts'
import { metadataRequest } from '../codecs/metadata-request.ts'

const cache = join(stackRoot, 'cache')

/** Where the log of the tests comes from elsewhere, there is no broker to start. */
export const canStartKafka = (): boolean => hasKafkaJars(cache)

export const USER = { username: 'alice', password: 'a secret with blanks' }

/** After which a broker wants to be shown again who one is. */
export const SESSION_MS = 3_000

export interface GuardedKafka {
  /** TLS and SASL only. */
  readonly address: string
  readonly caFile: string
  readonly passwordFile: string
  close(): Promise<void>
}

interface Ports {
  readonly open: number
  readonly guarded: number
  readonly controller: number
}

const MECHANISMS = 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512'
const JAAS = 'org.apache.kafka.common.security'
const scram = (bits: number): readonly [string, string] => [
  `listener.name.sasl_ssl.scram-sha-${bits}.sasl.jaas.config`,
  `${JAAS}.scram.ScramLoginModule required;`,
]

const properties = (ports: Ports, folder: string): string =>
  [
    ['process.roles', 'broker,controller'],
    ['node.id', '1'],
    ['controller.quorum.voters', `1@127.0.0.1:${ports.controller}`],
    ['controller.listener.names', 'CONTROLLER'],
    ['inter.broker.listener.name', 'PLAINTEXT'],
    ['listeners', listeners(ports, `,CONTROLLER://127.0.0.1:${ports.controller}`)],
    ['advertised.listeners', listeners(ports, '')],
    ['listener.security.protocol.map', 'PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT'],
    ['log.dirs', join(folder, 'data')],
    ['offsets.topic.replication.factor', '1'],
    ['transaction.state.log.replication.factor', '1'],
    ['transaction.state.log.min.isr', '1'],
    ['group.initial.rebalance.delay.ms', '0'],
    ['log.cleaner.dedupe.buffer.size', '16777216'],
    ['sasl.enabled.mechanisms', MECHANISMS],
    ['connections.max.reauth.ms', `${SESSION_MS}`],
    ['ssl.keystore.type', 'PEM'],
    ['ssl.keystore.location', join(folder, 'keystore.pem')],
    [
      'listener.name.sasl_ssl.plain.sasl.jaas.config',
      `${JAAS}.plain.PlainLoginModule required user_${USER.username}="${USER.password}";`,
    ],
    scram(256),
    scram(512),
  ]
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')

const listeners = ({ open, guarded }: Ports, more: string): string =>
  `PLAINTEXT://127.0.0.1:${open},SASL_SSL://127.0.0.1:${guarded}${more}`

const QUICK = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']

/** A broker of one's own that lets in with TLS and a password only. */
export async function guardedKafka(): Promise<GuardedKafka> {
  const folder = mkdtempSync(join(tmpdir(), 'guarded-kafka-'))
  const ports = { open: await freePort(), guarded: await freePort(), controller: await freePort() }
  const { certFile, keyFile } = await selfSigned(folder)
  writeFileSync(join(folder, 'keystore.pem'), readFileSync(keyFile, 'utf8') + readFileSync(certFile, 'utf8'))
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, `${USER.password}\n`)
  const file = join(folder, 'server.properties')
  writeFileSync(file, properties(ports, folder))
  const java = await locate('java')
  const classpath = join(kafkaJars(cache), '*')
  await format(java, classpath, file)
  const log4j = `-Dlog4j2.configurationFile=${join(kafkaSources, 'log4j2.properties')}`
  const spec = {
    name: 'guarded kafka',
    command: java,
    args: ['-Xmx384m', ...QUICK, log4j, '-cp', classpath, 'kafka.Kafka', file],
    cwd: folder,
    logFile: join(folder, 'kafka.log'),
    stopSignal: 'SIGTERM' as const,
    stopWithinMs: 15_000,
    readyWithinMs: 120_000,
    isReady: () => answers(`127.0.0.1:${ports.open}`),
  }
  const child = await startChild(spec, () => undefined, new AbortController().signal)
  return {
    address: `127.0.0.1:${ports.guarded}`,
    caFile: certFile,
    passwordFile,
    close: async () => {
      await child.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function format(java: string, classpath: string, file: string): Promise<void> {
  const users = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${USER.username},password=${USER.password}]`,
  ])
  const tool = [...QUICK, '-Xmx128m', '-cp', classpath, 'kafka.tools.StorageTool', 'format']
  const args = [...tool, '-t', 'c21zLXN0cmVhbXMtZGV2AA', '-c', file, ...users]
  await runOrExplain('Formatting the log folder', java, args)
}

async function answers(address: string): Promise<boolean> {
  const cluster = openCluster({ brokers: [address], clientId: 'ready' })
  try {
    return (await cluster.sendAny(metadataRequest(['none']))).brokers.length > 0
  } catch {
    return false
  } finally {
    await cluster.close()
  }
}
