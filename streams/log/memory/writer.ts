import { LogError } from '../port.ts'
import type { LogWriter, OutRecord, Written } from '../port.ts'
import type { Broker } from './broker.ts'
import type { Connection } from './connection.ts'
import type { PartitionLog } from './partition-log.ts'

export function memoryWriter(broker: Broker, connection: Connection): LogWriter {
  let closed = false
  return {
    async write(records) {
      if (closed) throw new LogError('fatal', 'the writer is closed')
      return connection.request(() => arrive(broker, records))
    },
    close() {
      closed = true
      return Promise.resolve()
    },
  }
}

function arrive(broker: Broker, records: readonly OutRecord[]): Written {
  const { faults } = broker
  if (faults.writeLost?.({ records }) === true) throw unknown('the write is lost')
  if (faults.writePartial?.({ records }) === true) {
    append(broker, records.slice(0, records.length >>> 1))
    throw unknown('a part of the write is lost')
  }
  const written = append(broker, records)
  if (faults.writeReplyLost?.({ records }) === true) throw unknown('the reply is lost')
  return written
}

function append({ topics }: Broker, records: readonly OutRecord[]): Written {
  const touched = new Set<PartitionLog>()
  const written = topics.append(records, null, touched)
  for (const log of touched) log.notify()
  return written
}

function unknown(message: string): LogError {
  return new LogError('unknown', message)
}
