import { connectKafka } from '../../../streams/log/kafka.ts'
import { fillBacklog, fillStores, provision, sceneNamed } from './memory-scene.ts'

/** Makes what `memory.ts` measures, in a process of its own: its garbage must not count. */
const [name = '', directory = '', ...counts] = process.argv.slice(2)
const [keys = 0, backlog = 0, partitions = 1] = counts.map(Number)
const log = connectKafka({ brokers: (process.env['KAFKA_BROKERS'] ?? '').split(','), clientId: 'bench-fill' })
const scene = sceneNamed(name)
await provision(log, scene, partitions)
await fillStores(directory, scene, keys, partitions)
await fillBacklog(log, scene, { keys, backlog, partitions })
await log.close()
