import type { OutRecord } from '../../../streams/log/port.ts'
import { withCommit } from './mutant-logs.ts'
import type { Plant } from './process.ts'

/** Mutants that report more than the log takes. */

const LARGE_BYTES = 600_000

/** In two encodings at once, as it were. */
const larger = (record: OutRecord): OutRecord =>
  record.topic.endsWith('.deadletter') && Buffer.byteLength(record.value ?? '') > LARGE_BYTES
    ? { ...record, value: `${String(record.value)}${String(record.value)}` }
    : record

export const LARGE_MUTANTS: Readonly<Record<string, () => Plant>> = {
  'dead-letter-larger-than-its-record': () =>
    withCommit((batch, inner) => inner.commit({ ...batch, records: batch.records.map(larger) })),
}
