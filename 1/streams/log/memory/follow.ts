import type { LogRecord } from '../port.ts'
import type { PartitionLog } from './partition-log.ts'

const ALL = { recordsMax: Number.POSITIVE_INFINITY, bytesMax: Number.POSITIVE_INFINITY }

/**
 * Shows every record in the step in which readers can first have it. It ends where the partition is
 * cut back or its topic is made again: what came before is another log then.
 */
export function follow(log: PartitionLog, onStable: (records: readonly LogRecord[]) => void): void {
  let next = log.start
  const changed = (): void => {
    const read = log.read(next, ALL)
    next = read.next
    if (read.records.length > 0) onStable(read.records)
  }
  const unwatch = log.watch({ changed, cutBack: () => unwatch(), replaced: () => unwatch() })
  changed()
}
