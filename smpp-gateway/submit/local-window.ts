export const WINDOW_MS = 1_000

/** Grants of the last second in this process. */
export interface LocalWindow {
  /** True, and counted, when fewer than `limit` grants lie in the last 1000 ms. */
  take(limit: number): boolean
  /** Counts a grant that was made elsewhere. */
  note(): void
  /** Grants in the last 1000 ms. */
  readonly used: number
}

/**
 * The true sliding window [TP4] for one process, also without Redis [TP7]: a grant exactly 1000 ms
 * old no longer counts. It holds one time per grant of a second, so the operator's limit bounds it.
 * `now` is monotonic, in ms.
 */
export function createLocalWindow(now: () => number): LocalWindow {
  let grants: number[] = []
  let first = 0
  const forget = (): void => {
    const end = now() - WINDOW_MS
    while (first < grants.length && (grants[first] ?? 0) <= end) first += 1
    // Dropping the forgotten half at a time keeps the cost of a grant constant.
    if (first > grants.length / 2) {
      grants = grants.slice(first)
      first = 0
    }
  }
  const used = (): number => {
    forget()
    return grants.length - first
  }
  return {
    take: (limit) => {
      if (used() >= limit) return false
      grants.push(now())
      return true
    },
    note: () => {
      forget()
      grants.push(now())
    },
    get used() {
      return used()
    },
  }
}
