import { hash } from 'node:crypto'
import type { CanonicalStatus } from '../statuses.ts'

const MINUTE_MS = 60_000

/**
 * Hex sha256 of one operator's statement about one operator message id within one calendar minute
 * of arrival [L2]. Two receipts 60 s apart never share it. Two within the same minute do, whatever
 * their dates, texts and error codes: those differ when an operator sends a receipt again.
 *
 * @param receivedAtMs arrival at the gateway, epoch milliseconds
 */
export function receiptFingerprint(
  operatorId: string,
  operatorMessageId: string,
  dlrStatus: CanonicalStatus,
  receivedAtMs: number,
): string {
  const minute = Math.floor(receivedAtMs / MINUTE_MS)
  return hash('sha256', `${operatorId}|${operatorMessageId}|${dlrStatus}|${minute}`, 'hex')
}
