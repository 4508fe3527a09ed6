import type { Topology } from '../../dsl/topology.ts'
import type { LogClient, LogReader } from '../../log/port.ts'
import type { Committer } from '../commit/committer.ts'
import type { Ownership } from '../commit/part.ts'
import type { Clock } from '../clock.ts'
import type { TaskLimits } from '../limits.ts'
import type { LogTime } from '../log-time.ts'
import type { RowBudget } from '../store/recent-rows.ts'
import type { StoreFactory } from '../store/store.ts'
import type { Hooks } from '../watch/hooks.ts'
import type { FlowControl } from './inputs.ts'
import type { Prefetcher } from './prefetch.ts'

export interface TaskOptions {
  readonly app: string
  readonly topology: Topology
  readonly partition: number
  readonly log: LogClient
  /** For restores; all tasks of a member share its connections. */
  readonly reader: LogReader
  readonly stores: StoreFactory
  readonly prefetcher: Prefetcher
  readonly clock: Clock
  readonly random: () => number
  readonly hooks: Hooks
  readonly limits: TaskLimits
  readonly time: LogTime
  readonly rows: RowBudget
  /** Partition counts of every topic that the topology writes. */
  readonly partitions: ReadonlyMap<string, number>
  readonly flow: FlowControl
  /** Continues the topic's partition, paused until now, at `offset`. */
  readonly seek: (topic: string, offset: number) => void
  /** Of the process. */
  readonly committer: Committer
  readonly owner: Ownership
}
