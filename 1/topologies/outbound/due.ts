/** What comes late waits as long again as it is late, at most this. */
const LATE_WAIT_MS_MAX = 10_000

/**
 * When a message is due that was told at `at`. One that comes after its instant was held up, and so
 * may have been its cancel: both were accepted, and the cancel gets a moment to arrive.
 */
export function dueMs(sendAt: string, at: number): number {
  const askedMs = Date.parse(sendAt)
  const lateMs = at - askedMs
  return lateMs < 0 ? askedMs : at + Math.min(lateMs, LATE_WAIT_MS_MAX)
}
