import type { LogClient } from '../port.ts'
import { memoryAdmin } from './admin.ts'
import type { Broker } from './broker.ts'
import { Connection } from './connection.ts'
import type { Peer } from './connection.ts'
import { MemoryConsumer } from './consumer.ts'
import { memoryReader } from './reader.ts'
import { MemoryTransactions } from './transactions.ts'
import { memoryWriter } from './writer.ts'

/** One process's view of the log. */
export interface MemoryClient extends LogClient {
  /**
   * The process dies. Its consumers stay members until their sessions expire, and its open
   * transactions stay open until fenced. Requests on their way are lost. None of its promises ever
   * settles.
   */
  crash(): void
  /**
   * The process stands still, and says so to nobody. What it has sent arrives, what comes for it
   * waits. Returns how it goes on, as if no time had passed.
   */
  freeze(): () => void
}

/** @param memberId makes an id that no member of any group has had. */
export function memoryClient(broker: Broker, memberId: () => string): MemoryClient {
  const peer: Peer = { alive: true, closed: false, held: undefined }
  const connect = (): Connection => new Connection(broker.schedule, peer)
  const consumers: MemoryConsumer[] = []
  return {
    admin: memoryAdmin(broker, connect()),
    consumer(options) {
      const consumer = new MemoryConsumer(broker, connect(), options, memberId())
      consumers.push(consumer)
      return consumer
    },
    reader: () => memoryReader(broker, connect()),
    transactions: ({ transactionalId }) => new MemoryTransactions(broker, connect(), transactionalId),
    writer: () => memoryWriter(broker, connect()),
    async close() {
      await Promise.all(consumers.map((consumer) => consumer.stop()))
      peer.closed = true
    },
    crash() {
      peer.alive = false
    },
    freeze() {
      peer.held ??= []
      return () => {
        const held = peer.held ?? []
        peer.held = undefined
        for (const task of held) if (peer.alive) task()
      }
    },
  }
}
