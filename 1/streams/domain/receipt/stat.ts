import type { CanonicalStatus } from '../statuses.ts'

/**
 * The words of SMPP 3.4 Appendix B and the FAILED that operators add [N2], then whole words and
 * spellings that operators use for them [N3].
 */
const CANONICAL_OF_STAT: ReadonlyMap<string, CanonicalStatus> = new Map<string, CanonicalStatus>([
  ['DELIVRD', 'DELIVERED'],
  ['UNDELIV', 'UNDELIVERED'],
  ['EXPIRED', 'EXPIRED'],
  ['DELETED', 'FAILED'],
  ['ACCEPTD', 'UNKNOWN'],
  ['REJECTD', 'REJECTED'],
  ['UNKNOWN', 'UNKNOWN'],
  ['FAILED', 'FAILED'],
  ['DELIVERED', 'DELIVERED'],
  ['UNDELIVERED', 'UNDELIVERED'],
  ['UNDELIVERABLE', 'UNDELIVERED'],
  ['UNDELIVRD', 'UNDELIVERED'],
  ['REJECTED', 'REJECTED'],
  ['DND_REJECTED', 'REJECTED'],
  ['ACCEPTED', 'UNKNOWN'],
])

/**
 * The canonical status of an operator's word, blanks and case aside. Any other word is UNKNOWN
 * [N4], which is not terminal: a word that we misread must not end a message that the grace timer
 * would end correctly.
 */
export const normaliseStat = (raw: string): CanonicalStatus =>
  CANONICAL_OF_STAT.get(raw.trim().toUpperCase()) ?? 'UNKNOWN'
