import type { Applicant, assign } from '../assigner.ts'

/** What the tests of the assigner share. */

export const COUNTS = new Map([
  ['orders', 12],
  ['receipts', 12],
  ['lookups', 4],
])
export const TOPICS = [...COUNTS.keys()]

export const newcomer = (memberId: string): Applicant => ({
  memberId,
  topics: TOPICS,
  generation: -1,
  numbers: [],
  replicas: 0,
  progress: new Map(),
})

/** Partition numbers by member. */
export function numbersOf(assigned: ReturnType<typeof assign>): Map<string, number[]> {
  return new Map(
    [...assigned].map(([member, { held }]) => [
      member,
      [...new Set(held.map(({ partition }) => partition))].sort((a, b) => a - b),
    ]),
  )
}
