import type { StatusEvent } from '../../../streams/contracts/outbound.ts'
import { OUTCOMES, type MessageStatus } from '../../../streams/domain/statuses.ts'
import { problemOf } from './problem.ts'
import { statement, unnested, type Column, type Queryable } from '../statement.ts'
import { storableJson } from '../storable.ts'

/** The message is with the operator, or nothing more will be done for it. */
const PROCESSED: ReadonlySet<MessageStatus> = new Set(['SENT', 'FAILED', 'DEAD_LETTER', ...OUTCOMES])

const columns: readonly Column<StatusEvent>[] = [
  { name: 'message_id', type: 'uuid', of: (event) => event.messageId },
  { name: 'enqueued_at', type: 'timestamptz', of: (event) => event.enqueuedAt },
  { name: 'seq', type: 'integer', of: (event) => event.seq },
  { name: 'status', type: 'text', of: (event) => event.newStatus },
  { name: 'attempt_count', type: 'integer', of: (event) => event.attemptCount },
  { name: 'operator_id', type: 'text', of: (event) => event.operatorId ?? null },
  { name: 'route_id', type: 'text', of: (event) => event.routeId ?? null },
  { name: 'last_error', type: 'jsonb', of: (event) => lastError(event) },
  { name: 'occurred_at', type: 'timestamptz', of: (event) => event.occurredAt },
  {
    name: 'processed_at',
    type: 'timestamptz',
    of: (event) => (PROCESSED.has(event.newStatus) ? event.occurredAt : null),
  },
]

const lastError = ({ error, eventId }: StatusEvent): string | null =>
  error === undefined ? null : storableJson(problemOf(error, eventId))

/**
 * Every column is a function of the newest event alone, so the order of events does not matter
 * [DB14]. Once the delivery status is there (outcomes.ts), status and processed_at belong to it.
 */
const update = statement(
  'update orch.sms_messages status',
  `UPDATE orch.sms_messages AS m SET
     status_seq = e.seq,
     attempt_count = e.attempt_count,
     operator_id = e.operator_id,
     route_id = e.route_id,
     last_error = e.last_error,
     status_updated_at = e.occurred_at,
     updated_at = now(),
     status = CASE WHEN m.dlr_status IS NULL THEN e.status ELSE m.status END,
     processed_at = CASE WHEN m.dlr_status IS NULL THEN e.processed_at ELSE m.processed_at END
   FROM ${unnested(columns)} AS e (${columns.map(({ name }) => name).join(', ')})
   WHERE m.message_id = e.message_id AND m.enqueued_at = e.enqueued_at AND m.status_seq < e.seq`,
  columns,
)

/** Takes status events in any order and any number of times [DB11]. Returns the rows changed. */
export async function writeStatuses(client: Queryable, events: readonly StatusEvent[]): Promise<number> {
  return update(client, newestByMessage(events))
}

/**
 * One row a message, because UPDATE … FROM takes any one of several. In id order, so that it rarely
 * crosses other writers.
 */
function newestByMessage(events: readonly StatusEvent[]): readonly StatusEvent[] {
  const newest = new Map<string, StatusEvent>()
  for (const event of events) {
    const known = newest.get(event.messageId)
    if (known === undefined || known.seq < event.seq) newest.set(event.messageId, event)
  }
  return [...newest.values()].toSorted((a, b) => (a.messageId < b.messageId ? -1 : 1))
}
