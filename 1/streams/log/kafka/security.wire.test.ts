import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { logEnv, readConfig } from '../../platform/config.ts'
import { connectKafka, kafkaOptions } from '../kafka.ts'
import { expectLogError, text, valuesOf } from '../testing/scene.suite.ts'
import { openCluster } from './cluster/open-cluster.ts'
import { metadataRequest } from './codecs/metadata-request.ts'
import { SESSION_MS, USER, canStartKafka, guardedKafka } from './testing/guarded-kafka.suite.ts'
import type { GuardedKafka } from './testing/guarded-kafka.suite.ts'

const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const

describe.skipIf(!canStartKafka())('a broker that wants TLS and a password', () => {
  let kafka: GuardedKafka

  beforeAll(async () => {
    kafka = await guardedKafka()
  }, 180_000)

  afterAll(() => kafka.close(), 30_000)

  const options = (more: Readonly<Record<string, string>>) => {
    const env = {
      KAFKA_BROKERS: kafka.address,
      KAFKA_TLS: 'true',
      KAFKA_CA_FILE: kafka.caFile,
      KAFKA_SASL_USERNAME: USER.username,
      KAFKA_SASL_PASSWORD_FILE: kafka.passwordFile,
      ...more,
    }
    return { ...kafkaOptions(readConfig(logEnv, env)), clientId: 'security-wire-test' }
  }

  it.each(MECHANISMS)(
    'fault R7: is written to and read by %s, as the environment says [NU8]',
    async (mechanism) => {
      const client = connectKafka(options({ KAFKA_SASL_MECHANISM: mechanism }))
      const at = { topic: `guarded-${mechanism}`, partition: 0 }
      const config = { 'retention.ms': '-1' }
      await client.admin.ensureTopics([{ name: at.topic, partitions: 1, replicas: 1, config }])
      await client.writer().write([text(at, 'inside')])
      const { records } = await client.reader().read(at, 0, { bytesMax: 1_000_000, waitMs: 5_000 })
      expect(valuesOf(records)).toEqual(['inside'])
      await client.close()
    },
    60_000,
  )

  it.each(MECHANISMS)('fault R7: refuses a wrong password by %s with a sentence', async (mechanism) => {
    const client = connectKafka(
      options({ KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_PASSWORD_FILE: kafka.caFile }),
    )
    const error = await expectLogError(client.admin.partitions(['t']), 'fatal')
    expect(error.message).toBe(`the broker refuses ${mechanism}: error 58`)
    await client.close()
  })

  it('fault R7: is not believed when nobody vouches for its certificate', async () => {
    const { brokers, sasl } = options({ KAFKA_SASL_MECHANISM: 'PLAIN' })
    const cluster = openCluster({ brokers, sasl, tls: {}, clientId: 'stranger' })
    await expect(cluster.sendAny(metadataRequest(['t']))).rejects.toThrow('self-signed certificate')
    await cluster.close()
  })

  it('is not noticed when it ends sessions: another connection has taken over by then', async () => {
    const cluster = openCluster(options({ KAFKA_SASL_MECHANISM: 'PLAIN' }))
    for (const until = Date.now() + 3 * SESSION_MS; Date.now() < until; ) {
      const { brokers } = await cluster.sendAny(metadataRequest(['t']))
      expect(brokers).toHaveLength(1)
    }
    await cluster.close()
  }, 60_000)
})
