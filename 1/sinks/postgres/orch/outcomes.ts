import type { DlrRecord, MessageOutcome } from '../../../streams/contracts/receipts.ts'
import { OUTCOMES } from '../../../streams/domain/statuses.ts'
import { namesOf, statement, unnested, type Column, type Queryable } from '../statement.ts'

interface OutcomeRow {
  readonly messageId: string
  readonly enqueuedAt: string
  readonly outcome: MessageOutcome
}

const columns: readonly Column<OutcomeRow>[] = [
  { name: 'message_id', type: 'uuid', of: (row) => row.messageId },
  { name: 'enqueued_at', type: 'timestamptz', of: (row) => row.enqueuedAt },
  { name: 'outcome', type: 'text', of: ({ outcome }) => outcome.status },
  { name: 'at', type: 'timestamptz', of: ({ outcome }) => outcome.at },
]

const terminal = OUTCOMES.map((status) => `'${status}'`).join(', ')

/**
 * The first delivery status stays. A row that is terminal already takes it only when both say the
 * same [DB13].
 */
const update = statement(
  'update orch.sms_messages outcome',
  `UPDATE orch.sms_messages AS m
   SET status = o.outcome, dlr_status = o.outcome, dlr_received_at = o.at, processed_at = o.at
   FROM ${unnested(columns)} AS o (${namesOf(columns)})
   WHERE m.message_id = o.message_id AND m.enqueued_at = o.enqueued_at
     AND m.dlr_status IS NULL AND (m.status NOT IN (${terminal}) OR m.status = o.outcome)`,
  columns,
)

/**
 * The records that closed their message set its delivery status [D30], [D31]. Returns the rows
 * changed.
 */
export function writeOutcomes(client: Queryable, records: readonly DlrRecord[]): Promise<number> {
  const first = new Map<string, OutcomeRow>()
  for (const record of records) {
    if (record.kind === 'ORPHAN' || record.messageOutcome === undefined) continue
    const { messageId, enqueuedAt, messageOutcome: outcome } = record
    if (!first.has(messageId)) first.set(messageId, { messageId, enqueuedAt, outcome })
  }
  return update(
    client,
    [...first.values()].toSorted((a, b) => (a.messageId < b.messageId ? -1 : 1)),
  )
}
