import { connectKafka } from './kafka.ts'
import { brokersFromEnv, holdTransaction, unique } from './kafka/testing/held-transaction.suite.ts'
import { expel } from './kafka/testing/expel.suite.ts'
import { openCluster } from './kafka/cluster/open-cluster.ts'
import { logSuite } from './testing/log.suite.ts'
import type { LogClient, LogConsumer } from './port.ts'

const options = () => ({ brokers: brokersFromEnv(), clientId: 'log-wire-test' })

logSuite('kafka', () => {
  const cluster = openCluster(options())
  const groups = new Map<LogConsumer, string>()
  const connect = (): LogClient => {
    const client = connectKafka(options())
    const consumer: LogClient['consumer'] = (wanted) => {
      const made = client.consumer(wanted)
      groups.set(made, wanted.group)
      return made
    }
    return { ...client, consumer }
  }
  return Promise.resolve({
    connect,
    unique,
    openTransaction: (transactionalId: string) => holdTransaction(cluster, transactionalId),
    expelMember: (consumer: LogConsumer) => expel(cluster, groups.get(consumer) ?? ''),
    close: () => cluster.close(),
  })
})
