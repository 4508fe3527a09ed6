import { sleep } from '../../../streams/platform/backoff.ts'
import { connectKafka } from '../../../streams/log/kafka.ts'
import { bridgesBetween } from './scene.suite.ts'
import { prefixedLog } from './prefixed-log.suite.ts'

/**
 * All bridges as a process of their own, to be killed: NATS, brokers, prefix of the topics, group.
 */
const [, , nats = '', brokers = '', prefix = '', group = ''] = process.argv
const log = connectKafka({ brokers: brokers.split(','), clientId: 'bridges-child' })
bridgesBetween(nats, prefixedLog(log, prefix), group)
await sleep(600_000)
process.exit(0)
