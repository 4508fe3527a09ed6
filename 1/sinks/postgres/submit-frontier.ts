import type { DlrRecord } from '../../streams/contracts/receipts.ts'
import { partitionKey, type LogClient } from '../../streams/log/port.ts'
import { markReceived } from './smpp/correlations.ts'
import { StatementFailed, type Queryable } from './statement.ts'

/**
 * Where a partition of `smpp.submit.result` stands: what it held when asked, and how far the sink
 * itself has come.
 */
export interface SubmitFrontier {
  end(partition: number): Promise<number>
  taken(partition: number): Promise<number>
}

export const submitFrontier = (log: LogClient, group: string, topic: string): SubmitFrontier => ({
  end: async (partition) => (await boundsOf(log, topic, partition)).end,
  taken: async (partition) => {
    const at = { topic, partition }
    const cursor = (await log.admin.committed(group, [at], 'asTheyAre')).get(partitionKey(at))
    return cursor?.next ?? (await boundsOf(log, topic, partition)).start
  },
})

async function boundsOf(log: LogClient, topic: string, partition: number) {
  const at = { topic, partition }
  const bounds = (await log.admin.bounds([at])).get(partitionKey(at))
  if (bounds === undefined) throw new Error(`no bounds of ${topic}`)
  return bounds
}

/** Not a fault: the row to be marked is still on its way through the other topic. */
export class SubmitResultsPending extends Error {
  override readonly name = 'SubmitResultsPending'
}

/**
 * Marks receipts that may overtake the row which they belong to, because the two come by different
 * topics (ADR 0019). A receipt is always written after its submit result, and both are keyed by
 * messageId. So the sink notes where that partition of `smpp.submit.result` ends, and waits until
 * it has taken it up to there. A row that is missing then will not come any more: its receipt was
 * released by hand, or it has been purged.
 */
export function markAfterSubmit(
  frontier: SubmitFrontier,
): (client: Queryable, records: readonly DlrRecord[], partition: number) => Promise<void> {
  // By partition: the batch that waits and the end that it waits for. A part of it waits for the
  // same end: a batch with a record that no table takes comes in parts, and comes again as a whole.
  const waiting = new Map<number, { readonly eventIds: ReadonlySet<string>; readonly end: number }>()
  return async (client, records, partition) => {
    const wait = waiting.get(partition)
    const end = records.every(({ eventId }) => wait?.eventIds.has(eventId)) ? wait?.end : undefined
    const mayMiss = end !== undefined && (await frontier.taken(partition)) >= end
    const noteEnd = async (): Promise<void> => {
      if (end !== undefined) return
      const eventIds = new Set(records.map(({ eventId }) => eventId))
      waiting.set(partition, { eventIds, end: await frontier.end(partition) })
    }
    try {
      const missing = await markReceived(client, records)
      if (missing === 0 || mayMiss) return
    } catch (error) {
      if (error instanceof StatementFailed && error.isPoison) await noteEnd()
      throw error
    }
    await noteEnd()
    throw new SubmitResultsPending('submit results of this partition have not been taken yet')
  }
}
