/**
 * A receipt that took longer than this from the operator's done date to us sat in somebody's
 * buffer.
 */
export const BUFFERED_OVER_MS = 5 * 60_000
/** A message that has been closed for longer than this expects nothing any more. */
export const CLOSED_OVER_MS = 24 * 60 * 60_000

export interface ReceiptTimes {
  /** Arrival at the gateway, epoch milliseconds. */
  readonly receivedAtMs: number
  /** The operator's done date, epoch milliseconds; null when it sent none that can be read. */
  readonly deliveredAtMs: number | null
  /** When the message reached its final status, epoch milliseconds. */
  readonly terminalAtMs: number
}

/**
 * Whether a receipt for a closed message is to be quarantined instead of filed as late: both
 * conditions of [D18], both strict. Without a done date there is no evidence of a buffer, so it is
 * late.
 */
export function isStale(times: ReceiptTimes): boolean {
  if (times.deliveredAtMs === null) return false
  const wasBuffered = times.receivedAtMs - times.deliveredAtMs > BUFFERED_OVER_MS
  return wasBuffered && times.receivedAtMs - times.terminalAtMs > CLOSED_OVER_MS
}
