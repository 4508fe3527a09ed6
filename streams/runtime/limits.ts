/** Everything of a task that could grow has a limit, and the limit a name. */
export interface TaskLimits {
  readonly recordsPerRoundMax: number
  readonly recordsPerTopicMax: number
  /** Keys and values that wait per input topic. */
  readonly bytesPerTopicMax: number
  readonly timersPerRoundMax: number
  /** Least time between the starts of two transactions of a process under load. */
  readonly commitMs: number
  /** The same while there is little to do. */
  readonly quietCommitMs: number
  readonly transactionTimeoutMs: number
  readonly restoreBytesMax: number
  /**
   * After this a changelog that is shorter than what is known of it has lost records. Longer than a
   * broker takes to come back.
   */
  readonly shortChangelogMsMax: number
  /** Decoded rows kept beside the store of one task; all tasks of a process share another limit. */
  readonly recentRowsMax: number
  /**
   * A round that misses so many rows fetches them together before its handlers run. Fewer are
   * cheaper to read one by one.
   */
  readonly rowsFetchedMin: number
  /** A clock that is further ahead of the log's own time is doubted (log-time.ts). */
  readonly clockAheadMsMax: number
  /** For how long, while the log is silent. */
  readonly clockDoubtMsMax: number
  /** The log is asked this often at least whether inputs are still the topics that they were. */
  readonly topicsLookMs: number
}

export const DEFAULT_LIMITS: TaskLimits = {
  recordsPerRoundMax: 5000,
  recordsPerTopicMax: 10_000,
  bytesPerTopicMax: 8 * 1024 * 1024,
  timersPerRoundMax: 1000,
  commitMs: 100,
  quietCommitMs: 45,
  transactionTimeoutMs: 15_000,
  restoreBytesMax: 4 * 1024 * 1024,
  shortChangelogMsMax: 60_000,
  recentRowsMax: 20_000,
  rowsFetchedMin: 64,
  clockAheadMsMax: 15 * 60_000,
  clockDoubtMsMax: 10 * 60_000,
  topicsLookMs: 30_000,
}

/** Decoded rows that a process keeps, however many tasks it has: about 1 KB each. */
export const RECENT_ROWS_PER_PROCESS_MAX = 120_000

/** Everything about the copies that are kept of other members' tasks. */
export interface StandbyLimits {
  /**
   * Members besides the owner that keep a copy of each partition; 0: none are kept, and a partition
   * may move to a cold member.
   */
  readonly replicas: number
  /**
   * Between two looks at the changelogs; what is written in the meantime is the tail that a
   * take-over has to read.
   */
  readonly pollMs: number
  /**
   * Bytes of one changelog read in one look, so that warming up leaves the event loop to the tasks
   * in between.
   */
  readonly bytesMax: number
}

export const STANDBY_REPLICAS_MAX = 3

export const NO_STANDBYS: StandbyLimits = { replicas: 0, pollMs: 500, bytesMax: 1024 * 1024 }
