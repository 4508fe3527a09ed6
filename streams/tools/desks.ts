/**
 * What the commands need of the tables. The tables belong to the sinks, so `sinks/admin` does the
 * work; each desk is opened by the command that needs it, and closed by it.
 */

/** A message that was given up [SC3]. Instants are ISO 8601. */
export interface DeadMessage {
  readonly deadLetterId: string
  readonly messageId: string
  readonly tenantId: string
  readonly accountId: string
  readonly reason: string
  readonly failureReason: string
  readonly attemptCount: number
  /** Null: the stored event cannot be read. */
  readonly finalStatus: 'FAILED' | 'DEAD_LETTER' | null
  readonly failedAt: string
  readonly replayedAt: string | null
  readonly replayedBy: string | null
}

export interface DeadMessageFilter {
  readonly tenantId?: string | undefined
  readonly messageId?: string | undefined
  readonly reason?: string | undefined
  /** ISO 8601; given up then or later. */
  readonly since?: string | undefined
  /** Only those that can be replayed and have not been. */
  readonly isOpen: boolean
  readonly limit: number
}

/** Who changes something, and why: it is kept. */
export interface Order {
  readonly actor: string
  readonly reason: string
}

export interface ReplayOrder extends Order {
  /** Also when it was issued before, because the order may have been lost on its way. */
  readonly again: boolean
  /** The answer is the same, and nothing is changed. */
  readonly isTrial?: boolean
}

export type Replayed =
  | { readonly kind: 'issued'; readonly messageId: string; readonly seq: number }
  | { readonly kind: 'already'; readonly at: string; readonly by: string }
  | { readonly kind: 'refused'; readonly refusal: string }
  | { readonly kind: 'absent' }

export interface DeadMessageDesk {
  /** Newest first. */
  list(filter: DeadMessageFilter): Promise<readonly DeadMessage[]>
  /** `payload` is the whole event, which is personal data. */
  find(
    deadLetterId: string,
  ): Promise<{ readonly message: DeadMessage; readonly payload: unknown } | undefined>
  replay(deadLetterId: string, order: ReplayOrder): Promise<Replayed>
  close(): Promise<void>
}

/** An outbox row that NATS refused for good [SM26]. */
export interface PutAside {
  readonly id: string
  readonly tenantId: string
  readonly subject: string
  readonly msgId: string
  readonly attempts: number
  readonly reason: string
  readonly putAsideAt: string
}

export interface OutboxDesk {
  /** Oldest first. */
  list(limit: number): Promise<readonly PutAside[]>
  /** False: no such row is put aside. */
  release(id: string, order: Order): Promise<boolean>
  close(): Promise<void>
}

export interface JobState {
  readonly name: string
  readonly everyMs: number
  readonly succeededAt: string | null
  readonly failedAt: string | null
  readonly isOverdue: boolean
}

export interface JobDesk {
  list(): Promise<readonly JobState[]>
  /** Rejects when the job fails. */
  run(name: string): Promise<'done' | 'busy' | 'unknown'>
  close(): Promise<void>
}

/** One part of one month that the archive has taken, or is about to [DB9]. */
export interface ArchivePart {
  readonly table: string
  /** As in `2026-04`. */
  readonly month: string
  readonly part: number
  readonly state: string
  /** Null: not yet exported. */
  readonly rows: number | null
  readonly object: string
  readonly at: string
}

export interface ArchiveDesk {
  /** Newest first. */
  list(limit: number): Promise<readonly ArchivePart[]>
  /** The buckets whose lifecycle rules had to be set; undefined: there is no archive. */
  applyLifecycle(): Promise<readonly string[] | undefined>
  close(): Promise<void>
}
