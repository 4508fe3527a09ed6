import { randomUUID } from 'node:crypto'
import { connectKafka } from '../../log/kafka.ts'
import { positionWatchSuite } from '../testing/position-watch.suite.ts'

const brokers = process.env['KAFKA_BROKERS']
if (brokers === undefined) throw new Error('KAFKA_BROKERS must name a broker: npm test starts one')

const run = randomUUID().slice(0, 8)
let names = 0
positionWatchSuite('a real broker', {
  connect: async () => connectKafka({ brokers: brokers.split(','), clientId: 'watch-test' }),
  unique: (name) => `${name}-${run}-${(names += 1)}`,
})
