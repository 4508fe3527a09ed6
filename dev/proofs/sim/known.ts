/**
 * Defects of today's code that this simulation finds. While a row stands here, the runs leave out
 * what shows it; whoever mends it takes the row away.
 */
export type KnownDefect =
  /** Marks are bare offsets: what a topic that was made again holds counts as replayed. */
  | 'R2'
  /** A bridge that was frozen or lost its cursor publishes again, and a new durable starts over. */
  | 'R6'
  /**
   * What an input says depends on when timers get their turn among the records; and one that is
   * armed again in the round that finds it stale is dropped.
   */
  | 'R13'

export const KNOWN: ReadonlySet<KnownDefect> = new Set<KnownDefect>([])
