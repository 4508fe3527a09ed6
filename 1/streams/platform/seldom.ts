/**
 * Lets one act through in `everyMs`, for log lines of faults that come in crowds.
 *
 * @param now monotonic, ms
 */
export function seldom(everyMs: number, now: () => number): (act: () => void) => void {
  let lastMs = Number.NEGATIVE_INFINITY
  return (act) => {
    const nowMs = now()
    if (nowMs - lastMs < everyMs) return
    lastMs = nowMs
    act()
  }
}
