/** Everything of a task that could grow has a limit, and the limit a name. */
export interface TaskLimits {
  readonly recordsPerRoundMax: number
  readonly recordsPerTopicMax: number
  /** Keys and values that wait per input topic. */
  readonly bytesPerTopicMax: number
  readonly timersPerRoundMax: number
  /** Least time between the starts of two transactions while fewer than a full round waits. */
  readonly commitMs: number
  readonly transactionTimeoutMs: number
  readonly restoreBytesMax: number
  /** Decoded rows kept beside the store. */
  readonly recentRowsMax: number
}

export const DEFAULT_LIMITS: TaskLimits = {
  recordsPerRoundMax: 5000,
  recordsPerTopicMax: 10_000,
  bytesPerTopicMax: 8 * 1024 * 1024,
  timersPerRoundMax: 1000,
  commitMs: 100,
  transactionTimeoutMs: 15_000,
  restoreBytesMax: 4 * 1024 * 1024,
  recentRowsMax: 20_000,
}
