/**
 * streams/domain: the rules of SMS delivery that need nothing but their arguments. Start reading here: these are the
 * words that every other file uses.
 *
 * It guarantees that the same arguments give the same answer, byte for byte, so that a replay decides as the first run did.
 * It never reads a clock, a random source or the environment, never does I/O, and never puts a phone number or a text
 * into an error message.
 */

/** Where a message stands (spec/events.md 5.4). */
export const MESSAGE_STATUSES = [
  'QUEUED',
  'ROUTING',
  'ROUTED',
  'SENT',
  'DELIVERED',
  'UNDELIVERED',
  'EXPIRED',
  'REJECTED',
  'FAILED',
  'PARTIAL',
  'DEAD_LETTER',
] as const
export type MessageStatus = (typeof MESSAGE_STATUSES)[number]

/** What one receipt says about one segment, after normalisation (spec/README.md section 5, spec/pipeline.md 3.2). */
export const CANONICAL_STATUSES = [
  'DELIVERED',
  'UNDELIVERED',
  'EXPIRED',
  'REJECTED',
  'FAILED',
  'UNKNOWN',
] as const
export type CanonicalStatus = (typeof CANONICAL_STATUSES)[number]

/** How the delivery of a whole message can end (spec/pipeline.md 3.5, D27 and D26). */
export const OUTCOMES = ['DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED', 'FAILED', 'PARTIAL'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** UNKNOWN is never terminal: ACCEPTD and ENROUTE normalise to it and must not hide a later DELIVRD. */
export const TERMINAL_SEGMENT_STATUSES = [
  'DELIVERED',
  'UNDELIVERED',
  'EXPIRED',
  'REJECTED',
  'FAILED',
] as const satisfies readonly Exclude<CanonicalStatus, 'UNKNOWN'>[]
export type TerminalSegmentStatus = (typeof TERMINAL_SEGMENT_STATUSES)[number]

/** Where one segment stands: PENDING, then SUBMITTED, then perhaps UNKNOWN, then terminal (spec/pipeline.md 3.5). */
export const SEGMENT_STATUSES = ['PENDING', 'SUBMITTED', ...CANONICAL_STATUSES] as const
export type SegmentStatus = (typeof SEGMENT_STATUSES)[number]
