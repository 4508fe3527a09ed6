import { LogError, partitionKey } from '../port.ts'
import type { LogReader } from '../port.ts'
import type { Broker } from './broker.ts'
import type { Connection } from './connection.ts'

/**
 * `waitMs` is not waited, because there is no clock: an empty answer comes back after its turns in
 * the scheduler. Below the first retained offset reading goes on at the first retained one. Above
 * the end it is `fatal`, because the log is not the one that the offset came from.
 */
export function memoryReader(broker: Broker, connection: Connection): LogReader {
  let closed = false
  return {
    async read(at, offset, { bytesMax }) {
      if (closed) throw new LogError('fatal', 'the reader is closed')
      return connection.request(() => {
        if (broker.faults.readRefused?.(at) === true) throw new LogError('retriable', 'the fetch failed')
        const log = broker.topics.led(at)
        if (offset > log.end) throw new LogError('fatal', `${partitionKey(at)} ends before ${offset}`)
        const limits = { recordsMax: Number.POSITIVE_INFINITY, bytesMax }
        return { ...log.read(offset, limits), end: log.lastStable }
      })
    },
    close() {
      closed = true
      return Promise.resolve()
    },
  }
}
