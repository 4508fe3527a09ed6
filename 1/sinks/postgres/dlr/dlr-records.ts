import type { DlrRecord } from '../../../streams/contracts/receipts.ts'
import { insertPartialTimeouts } from './audit.ts'
import { insertLate } from './late.ts'
import { insertOrphans } from './orphans.ts'
import { writeOutcomes } from '../orch/outcomes.ts'
import { insertQuarantined, insertReleases, isReleasedDuplicate } from './quarantine.ts'
import { insertReceipts } from './receipts.ts'
import { ofKind } from './record-kinds.ts'
import { insertSegments } from './segment-dlrs.ts'
import type { Queryable } from '../statement.ts'

/**
 * All rows that some records of `dlr.records` make [D30] to [D32]. The caller holds the
 * transaction: a reader who sees a message delivered also sees the receipt that says so.
 */
export async function writeDlrRecords(client: Queryable, records: readonly DlrRecord[]): Promise<void> {
  const receipts = ofKind(records, 'RECEIPT').filter((record) => !isReleasedDuplicate(record))
  await insertReceipts(client, receipts)
  await insertSegments(client, records)
  await insertPartialTimeouts(client, ofKind(records, 'PARTIAL_TIMEOUT'))
  await insertOrphans(client, ofKind(records, 'ORPHAN'))
  await insertLate(client, ofKind(records, 'LATE'))
  await insertQuarantined(client, ofKind(records, 'QUARANTINED'))
  await insertReleases(client, records)
  // Last, because it takes locks that the orch sink may wait for.
  await writeOutcomes(client, records)
}
