import { afterAll, afterEach, beforeAll, describe } from 'vitest'
import { canStartCluster } from '../../../dev/stack/cluster/cluster.ts'
import { connectKafka } from '../kafka.ts'
import type { LogClient, LogConsumer } from '../port.ts'
import { logSuite } from '../testing/log.suite.ts'
import { openCluster } from './cluster/open-cluster.ts'
import { startBrokers, type Brokers } from './testing/brokers.suite.ts'
import { cutCases } from './testing/cut-connections.suite.ts'
import { expel } from './testing/expel.suite.ts'
import { holdTransaction, unique } from './testing/held-transaction.suite.ts'
import { movingCases } from './testing/moving-brokers.suite.ts'

const START_MS = 180_000

/**
 * Three brokers of its own, with a proxy before each: what one healthy broker never shows. The
 * conformance suite runs through the proxy as well, and so shows that it changes nothing.
 */
describe.skipIf(!(await canStartCluster()))('three brokers', () => {
  let brokers: Brokers | undefined
  const given = (): Brokers => {
    if (brokers === undefined) throw new Error('there are no brokers')
    return brokers
  }

  beforeAll(async () => {
    brokers = await startBrokers()
  }, START_MS)

  afterAll(() => brokers?.stop(), START_MS)

  describe('under faults', () => {
    afterEach(() => brokers?.mend(), START_MS)
    cutCases(given)
    movingCases(given)
  })

  logSuite('kafka with three copies', () => {
    const options = { brokers: given().cluster.proxy.addresses, clientId: 'log-wire-test' }
    const cluster = openCluster(options)
    const groups = new Map<LogConsumer, string>()
    const connect = (): LogClient => {
      const client = connectKafka(options)
      const consumer: LogClient['consumer'] = (wanted) => {
        const made = client.consumer(wanted)
        groups.set(made, wanted.group)
        return made
      }
      return { ...client, consumer }
    }
    return Promise.resolve({
      connect,
      replicas: 3,
      unique,
      openTransaction: (transactionalId: string) => holdTransaction(cluster, transactionalId),
      expelMember: (consumer: LogConsumer) => expel(cluster, groups.get(consumer) ?? ''),
      close: () => cluster.close(),
    })
  })
})
