import { connectKafka } from './kafka.ts'
import { brokersFromEnv, holdTransaction, unique } from './kafka/held-transaction.suite.ts'
import { openCluster } from './kafka/open-cluster.ts'
import { logSuite } from './log.suite.ts'

const options = () => ({ brokers: brokersFromEnv(), clientId: 'log-wire-test' })

logSuite('kafka', () => {
  const cluster = openCluster(options())
  return Promise.resolve({
    connect: () => connectKafka(options()),
    unique,
    openTransaction: (transactionalId: string) => holdTransaction(cluster, transactionalId),
    close: () => cluster.close(),
  })
})
