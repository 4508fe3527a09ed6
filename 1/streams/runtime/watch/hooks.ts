import type { Note } from '../../dsl/topology.ts'

/** Names a task in hooks: `<topology>.<partition>`. */
export interface TaskId {
  readonly topology: string
  readonly partition: number
}

/**
 * What the runtime reports. The core counts and logs nothing itself; `observe.ts` turns these into
 * metrics and log lines, and the simulator into a history. Hooks must not throw and must not wait.
 */
export interface Hooks {
  restored(task: TaskId, records: number, elapsedMs: number): void
  /** At the start of a restore and after each step of it. */
  restoring(task: TaskId, progress: RestoreProgress): void
  running(task: TaskId): void
  asked(task: TaskId, questions: number, elapsedMs: number): void
  /** One transaction: records read, timers fired, records written, and the time of the commit. */
  committed(task: TaskId, round: RoundFigures): void
  noted(task: TaskId, notes: readonly Note[]): void
  /** The transaction did not happen, or may not have: the task reads its cursor again. */
  recovering(task: TaskId, reason: unknown): void
  /** Its group has gone on to another generation: what it has to commit waits for an assignment. */
  outdated(task: TaskId): void
  poisoned(task: TaskId, topic: string, offset: number, reason: string, paths: readonly string[]): void
  /** Records between the cursor and the first retained one are gone. */
  gap(task: TaskId, topic: string, from: number, to: number): void
  /**
   * An input is not what was read of it: another topic bears its name now, or it ends at `to`,
   * below what was read.
   */
  inputLost(task: TaskId, topic: string, fate: 'recreated' | 'truncated', from: number, to: number): void
  /** The clock of this machine is ahead of the log's own time by more than can be believed. */
  clockDoubted(topology: string, aheadMs: number): void
  wiped(task: TaskId, reason: unknown): void
  /** A programmer error or a lost changelog: the task stopped and needs a person. */
  failed(task: TaskId, error: unknown): void
  closed(task: TaskId): void
  /**
   * A copy kept of another member's task could not be tailed: it is tried again, or given up when
   * that is of no use.
   */
  standbyFailed(task: TaskId, error: unknown): void
}

export interface RestoreProgress {
  /** Applied so far. */
  readonly records: number
  /**
   * Offsets left by changelog: at least as many as records, because compaction and markers leave
   * gaps.
   */
  readonly left: ReadonlyMap<string, number>
  readonly elapsedMs: number
}

export interface RoundFigures {
  readonly read: ReadonlyMap<string, number>
  readonly fired: number
  readonly written: number
  readonly commitMs: number
}

export const taskName = (task: TaskId): string => `${task.topology}.${task.partition}`

const nothing = (): void => {}

export const noHooks: Hooks = {
  restored: nothing,
  restoring: nothing,
  running: nothing,
  asked: nothing,
  committed: nothing,
  noted: nothing,
  recovering: nothing,
  outdated: nothing,
  poisoned: nothing,
  gap: nothing,
  inputLost: nothing,
  clockDoubted: nothing,
  wiped: nothing,
  failed: nothing,
  closed: nothing,
  standbyFailed: nothing,
}
