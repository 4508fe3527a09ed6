import type { Schedule } from './connection.ts'
import type { MemoryFaults } from './faults.ts'
import { Groups } from './groups.ts'
import { Topics } from './topics.ts'
import { TransactionCoordinator } from './transaction-coordinator.ts'

export interface BrokerOptions {
  readonly schedule: Schedule
  /** For requests that arrive at any time. */
  readonly late: Schedule
  readonly faults: MemoryFaults
  /** Records in one delivery to a consumer. */
  readonly deliverMax: number
  /** Records that a copy may miss and be warm; undefined: what the assigner takes. */
  readonly lagMax: number | undefined
}

/** Everything that outlives a client. */
export interface Broker extends BrokerOptions {
  readonly topics: Topics
  readonly groups: Groups
  readonly transactions: TransactionCoordinator
}

export function memoryBroker(options: BrokerOptions): Broker {
  const topics = new Topics()
  const groups = new Groups(topics, options.lagMax)
  const transactions = new TransactionCoordinator(topics, groups, options.schedule)
  return { ...options, topics, groups, transactions }
}
