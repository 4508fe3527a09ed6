import type { DlrRecord } from '../../../streams/contracts/receipts.ts'

export type RecordKind = DlrRecord['kind']
export type RecordOf<K extends RecordKind> = Extract<DlrRecord, { kind: K }>

/** The records of one kind, in log order. */
export const ofKind = <K extends RecordKind>(
  records: readonly DlrRecord[],
  kind: K,
): readonly RecordOf<K>[] => records.filter((record): record is RecordOf<K> => record.kind === kind)
