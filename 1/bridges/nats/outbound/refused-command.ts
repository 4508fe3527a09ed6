import { decode, encode } from '../../../streams/contracts/decode.ts'
import {
  dispatchCommands,
  dispatchRefusals,
  type DispatchRefused,
} from '../../../streams/contracts/outbound.ts'
import { SCHEMA_VERSION } from '../../../streams/contracts/topic.ts'
import { commandEventId, refusedEventId } from '../../../streams/domain/event-id.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import type { LogRecord, OutRecord } from '../../../streams/log/port.ts'

/** A message has 16 runs of a handful of transitions (`RUNS_MAX`). */
const SEQ_MAX = 1_000

/**
 * [EV23]: tells `outbound` that NATS will never take this command. Null when it cannot be read:
 * then nobody knows whose it is, and the dead letter is all there is.
 */
export function refusedRecord(
  record: LogRecord,
  reason: string,
  to: { readonly partitions: number; readonly nowMs: number },
): OutRecord | null {
  const decoded = decode(dispatchCommands, record.value)
  if (!decoded.ok) return null
  const command = decoded.value
  const { messageId, tenantId, accountId, operatorId, eventId } = command
  const seq = seqOf(messageId, eventId)
  if (seq === null) return null
  const refused: DispatchRefused = {
    schemaVersion: SCHEMA_VERSION,
    eventId: refusedEventId(messageId, seq),
    occurredAt: new Date(to.nowMs).toISOString(),
    messageId,
    tenantId,
    accountId,
    operatorId,
    seq,
    reason,
    command,
  }
  const key = dispatchRefusals.key(refused)
  return {
    topic: dispatchRefusals.name,
    partition: partitionOf(key, to.partitions),
    key,
    value: encode(refused),
    headers: { ...traceOf(record), ...dispatchRefusals.headers(refused) },
    timestamp: to.nowMs,
  }
}

/** A command does not name the seq of SENT, but its id is made from it [EV61]. */
function seqOf(messageId: string, eventId: string): number | null {
  for (let seq = 1; seq <= SEQ_MAX; seq += 1) if (commandEventId(messageId, seq) === eventId) return seq
  return null
}

function traceOf({ headers }: LogRecord): LogRecord['headers'] {
  const traced = ['traceparent', 'tracestate'].flatMap((name) => {
    const value = headers[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(traced)
}
