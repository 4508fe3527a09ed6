const WINDOW_MS = 1_000
/** No tenth of a second holds more than a fifth of the limit [TP1]. */
const PART_MS = 100
const PART = 1 / 5

/** Departures of this process in the last second: what the operator really sees. */
export interface LocalWindow {
  /**
   * 0, and counted, when fewer than `limit` departures lie in the last 1000 ms and fewer than a
   * fifth of it in the last 100; otherwise the time until it is worth asking again, ms.
   */
  take(limit: number): number
  /** Departures in the last 1000 ms. */
  readonly used: number
}

/**
 * The true sliding window [TP4] at the very end of a PDU's way, where no late timer and no long
 * collection of garbage can make a crowd of PDUs that had permits of their own. A departure exactly
 * 1000 ms old no longer counts. It holds one time per departure of a second, so the operator's
 * limit bounds it. `now` is monotonic, in ms.
 */
export function createLocalWindow(now: () => number): LocalWindow {
  let times: number[] = []
  let first = 0
  const forget = (): void => {
    const end = now() - WINDOW_MS
    while (first < times.length && (times[first] ?? 0) <= end) first += 1
    // Dropping the forgotten half at a time keeps the cost of a departure constant.
    if (first > times.length / 2) {
      times = times.slice(first)
      first = 0
    }
  }
  /** How long the departure that lies `count` places back keeps the next one waiting. */
  const waitFor = (count: number, spanMs: number): number => {
    const blocking = times.length - first >= count ? times[times.length - count] : undefined
    return blocking === undefined ? 0 : Math.max(0, blocking + spanMs - now())
  }
  return {
    take: (limit) => {
      forget()
      const part = Math.max(1, Math.floor(limit * PART))
      const waitMs = Math.max(waitFor(limit, WINDOW_MS), waitFor(part, PART_MS))
      if (waitMs === 0) times.push(now())
      return waitMs
    },
    get used() {
      forget()
      return times.length - first
    },
  }
}
