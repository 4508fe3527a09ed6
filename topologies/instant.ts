/** Epoch milliseconds as the contracts write an instant (spec events.md §2): ISO 8601, UTC, milliseconds. */
export const instantOf = (ms: number): string => new Date(ms).toISOString()
