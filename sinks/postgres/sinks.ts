import type { Pool } from 'pg'
import { CORRELATION_HOURS } from '../../streams/contracts/correlation-hours.ts'
import { outboundDeadLetters, statusEvents, submitResults } from '../../streams/contracts/outbound.ts'
import { dlrRecords } from '../../streams/contracts/receipts.ts'
import { sink, taking, type Sink, type SinkHooks } from '../sink.ts'
import { correlationWriter } from './smpp/correlations.ts'
import { insertDeadLetters } from './orch/dead-letters.ts'
import { writeDlrRecords } from './dlr/dlr-records.ts'
import { writeStatuses } from './orch/messages.ts'
import { inTransaction } from './pool.ts'
import { markAfterSubmit, type SubmitFrontier } from './submit-frontier.ts'

/** Message rows and dead letters, as `orch_sink` [O11]. */
export const orchSink = (pool: Pool, hooks: SinkHooks): Sink =>
  sink('orch', [
    taking(statusEvents, hooks, async (events) => {
      await writeStatuses(pool, events)
      return events.length
    }),
    taking(outboundDeadLetters, hooks, async (deadLetters) => {
      await insertDeadLetters(pool, deadLetters)
      return deadLetters.length
    }),
  ])

/** Everything that the receipt topologies have decided, as `dlr_svc` [D30] to [D32]. */
export const dlrSink = (pool: Pool, hooks: SinkHooks): Sink =>
  sink('dlr', [
    taking(dlrRecords, hooks, async (records) => {
      await inTransaction(pool, (client) => writeDlrRecords(client, records))
      return records.length
    }),
  ])

export const SMPP_SINK_GROUP = 'sms.sink.smpp'

/** Which operator id stands for which segment, as `smpp_svc` [DB33]. */
export function smppSink(
  pool: Pool,
  hooks: SinkHooks,
  frontier: SubmitFrontier,
  correlationHours = CORRELATION_HOURS,
): Sink {
  const writeCorrelations = correlationWriter(correlationHours)
  const mark = markAfterSubmit(frontier)
  return sink('smpp', [
    taking(submitResults, hooks, async (results) => {
      await writeCorrelations(pool, results)
      return results.length
    }),
    taking(dlrRecords, hooks, async (records, partition) => {
      await mark(pool, records, partition)
      return records.length
    }),
  ])
}
