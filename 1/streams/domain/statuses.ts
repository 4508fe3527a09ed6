/** Where a message stands [SC4]. */
export const MESSAGE_STATUSES = [
  'SCHEDULED',
  'CANCELLED',
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

/** What one receipt says about one segment, after normalisation [W24] [N2]. */
export const CANONICAL_STATUSES = [
  'DELIVERED',
  'UNDELIVERED',
  'EXPIRED',
  'REJECTED',
  'FAILED',
  'UNKNOWN',
] as const
export type CanonicalStatus = (typeof CANONICAL_STATUSES)[number]

/** How the delivery of a whole message can end [D26] [D27]. */
export const OUTCOMES = ['DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED', 'FAILED', 'PARTIAL'] as const
export type Outcome = (typeof OUTCOMES)[number]

/**
 * UNKNOWN is never terminal: ACCEPTD and ENROUTE normalise to it and must not hide a later DELIVRD.
 */
export const TERMINAL_SEGMENT_STATUSES = [
  'DELIVERED',
  'UNDELIVERED',
  'EXPIRED',
  'REJECTED',
  'FAILED',
] as const satisfies readonly Exclude<CanonicalStatus, 'UNKNOWN'>[]
export type TerminalSegmentStatus = (typeof TERMINAL_SEGMENT_STATUSES)[number]

/** Where one segment stands: PENDING, then SUBMITTED, then perhaps UNKNOWN, then terminal [AG1]. */
export const SEGMENT_STATUSES = ['PENDING', 'SUBMITTED', ...CANONICAL_STATUSES] as const
export type SegmentStatus = (typeof SEGMENT_STATUSES)[number]
