import { LogError } from '../port.ts'
import type { LogWriter, OutRecord, Written } from '../port.ts'
import type { Broker } from './broker.ts'
import type { Connection } from './connection.ts'
import type { PartitionLog } from './partition-log.ts'

/** What the broker knows of an idempotent producer: a request that comes again it has had. */
interface Producer {
  sent: number
  readonly taken: Set<number>
}

export function memoryWriter(broker: Broker, connection: Connection): LogWriter {
  let closed = false
  const producer: Producer = { sent: 0, taken: new Set() }
  return {
    async write(records) {
      if (closed) throw new LogError('fatal', 'the writer is closed')
      producer.sent += 1
      const sequence = producer.sent
      return connection.request(() => {
        const written = arrive(broker, records)
        producer.taken.add(sequence)
        if (broker.faults.writeAgain?.({ records }) === true)
          broker.late(() => arriveLate(broker, producer.taken.has(sequence) ? [] : records))
        if (broker.faults.writeReplyLost?.({ records }) === true) throw unknown('the reply is lost')
        return written
      })
    },
    close() {
      closed = true
      return Promise.resolve()
    },
  }
}

function arrive(broker: Broker, records: readonly OutRecord[]): Written {
  const { faults } = broker
  if (faults.writeLate?.({ records }) === true) {
    broker.late(() => arriveLate(broker, records))
    throw unknown('the write is late')
  }
  if (faults.writeLost?.({ records }) === true) throw unknown('the write is lost')
  if (faults.writePartial?.({ records }) === true) {
    append(broker, records.slice(0, records.length >>> 1))
    throw unknown('a part of the write is lost')
  }
  return append(broker, records)
}

/** Nobody waits for the answer any more. */
function arriveLate(broker: Broker, records: readonly OutRecord[]): void {
  try {
    append(broker, records)
  } catch (error) {
    if (!(error instanceof LogError)) throw error
  }
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
