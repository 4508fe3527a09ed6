import type { OutRecord, TopicPartition } from '../port.ts'

/**
 * What may go wrong, by the point where it does. A hook that answers true makes it happen this
 * once. Hooks are looked up at every use, so a test may set and delete them while the log runs.
 * Chance, if any, lives in the hook and never here.
 */
export interface MemoryFaults {
  /**
   * The records of a transaction arrive partition by partition, each in a turn of its own: until
   * the last one the transaction is open and a part of it lies on the log.
   */
  recordsInParts?: (at: { readonly transactionalId: string }) => boolean
  /** Asked before each part but the first: it is refused, the transaction is aborted. */
  recordsPartial?: (at: { readonly transactionalId: string }) => boolean
  /** The records arrive once more, at any time: refused by their epoch or their sequence. */
  recordsAgain?: (at: { readonly transactionalId: string }) => boolean
  /** The commit arrives once more, at any time: it ends no transaction but its own. */
  commitAgain?: (at: { readonly transactionalId: string }) => boolean
  /** The fence arrives once more, at any time: whoever holds the id then is fenced. */
  fenceAgain?: (at: { readonly transactionalId: string }) => boolean
  /** The broker takes no records: the transaction is aborted, the caller sees `retriable`. */
  recordsRefused?: (at: { readonly transactionalId: string }) => boolean
  /**
   * The commit request is lost: the transaction stays open until someone fences, the caller sees
   * `unknown`.
   */
  beforeCommit?: (at: { readonly transactionalId: string }) => boolean
  /** The broker aborts instead of committing: the caller sees `retriable`. */
  commitRefused?: (at: { readonly transactionalId: string }) => boolean
  /**
   * The caller sees `unknown` while the request is still travelling: it commits, unless a fence is
   * faster.
   */
  commitLate?: (at: { readonly transactionalId: string }) => boolean
  /** The transaction is durable, but its reply is lost: the caller sees `unknown`. */
  afterCommitBeforeReply?: (at: { readonly transactionalId: string }) => boolean
  /** Fencing changes nothing: the caller sees `retriable`. */
  fenceRefused?: (at: { readonly transactionalId: string }) => boolean
  /** None of a plain write's records arrive: the caller sees `unknown`. */
  writeLost?: (at: { readonly records: readonly OutRecord[] }) => boolean
  /** The caller sees `unknown` while the write is still travelling: it arrives at any time. */
  writeLate?: (at: { readonly records: readonly OutRecord[] }) => boolean
  /** A plain write arrives once more, at any time: refused by its sequence. */
  writeAgain?: (at: { readonly records: readonly OutRecord[] }) => boolean
  /** Only the first half of a plain write's records arrives: the caller sees `unknown`. */
  writePartial?: (at: { readonly records: readonly OutRecord[] }) => boolean
  /**
   * All of a plain write's records are durable, but the reply is lost: the caller sees `unknown`.
   */
  writeReplyLost?: (at: { readonly records: readonly OutRecord[] }) => boolean
  /**
   * The delivery takes another turn in the scheduler. A hook that always answers true blocks the
   * partition for ever.
   */
  deliver?: (at: TopicPartition & { readonly group: string }) => boolean
  /** A plain commit does not arrive: the caller sees `retriable`. */
  cursorsLost?: (at: { readonly group: string }) => boolean
  /** A plain commit is durable, but its reply is lost: the caller sees `unknown`. */
  cursorsReplyLost?: (at: { readonly group: string }) => boolean
  /**
   * A plain commit arrives once more, at any time. As with a broker it counts while its generation
   * lasts, so the cursor may go back.
   */
  cursorsAgain?: (at: { readonly group: string }) => boolean
  /** A reader's fetch fails: the caller sees `retriable`. */
  readRefused?: (at: TopicPartition) => boolean
  /** An administrative request does not arrive: the caller sees `retriable`. */
  adminRefused?: (at: { readonly operation: string }) => boolean
}
