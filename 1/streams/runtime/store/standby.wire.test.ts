import { randomUUID } from 'node:crypto'
import { connectKafka } from '../../log/kafka.ts'
import { standbySuite } from '../testing/standby.suite.ts'

const brokers = process.env['KAFKA_BROKERS']
if (brokers === undefined) throw new Error('KAFKA_BROKERS must name a broker: npm test starts one')

const run = randomUUID().slice(0, 8)
let names = 0
standbySuite('a real broker', {
  connect: async () => connectKafka({ brokers: brokers.split(','), clientId: 'standby-test' }),
  unique: (name) => `${name}-${run}-${(names += 1)}`,
})
