import type { TopicPartition } from '../port.ts'

/** What a member says of itself when it joins. */
export interface Applicant {
  readonly memberId: string
  readonly topics: readonly string[]
  /** The generation of which it holds `numbers`; -1 when it holds none. */
  readonly generation: number
  /** Partition numbers: each stands for that partition of all topics. */
  readonly numbers: readonly number[]
}

/**
 * Co-partitioned, balanced and sticky: partition p of every topic goes to the same member, shares differ by one at most, and
 * members keep what they hold up to their share. The same for every order of the applicants.
 *
 * While a new version that reads more topics is being rolled out, only members that read them all get any: otherwise partitions
 * of the new topics would be without a reader.
 *
 * @param counts partitions by topic
 */
export function assign(
  applicants: readonly Applicant[],
  counts: ReadonlyMap<string, number>,
): ReadonlyMap<string, readonly TopicPartition[]> {
  const topics = [...new Set(applicants.flatMap((one) => one.topics))]
    .filter((topic) => counts.has(topic))
    .sort()
  const complete = applicants.filter((one) => topics.every((topic) => one.topics.includes(topic)))
  const takers = complete.length > 0 ? complete : applicants
  const numbers = Math.max(0, ...topics.map((topic) => counts.get(topic) ?? 0))
  const shares = share(takers, numbers)
  return new Map(
    applicants.map((one): [string, readonly TopicPartition[]] => [
      one.memberId,
      (shares.get(one.memberId) ?? []).flatMap((partition) =>
        topics
          .filter((topic) => one.topics.includes(topic) && partition < (counts.get(topic) ?? 0))
          .map((topic) => ({ topic, partition })),
      ),
    ]),
  )
}

function share(takers: readonly Applicant[], numbers: number): Map<string, number[]> {
  const kept = rightfulClaims(takers, numbers)
  // The larger shares go to those who hold most, because that moves least.
  const order = [...kept].sort(([a, mine], [b, other]) => other.length - mine.length || (a < b ? -1 : 1))
  const least = Math.floor(numbers / Math.max(order.length, 1))
  const larger = numbers % Math.max(order.length, 1)
  const free = new Set(Array.from({ length: numbers }, (_, number) => number))
  const shares = order.map(([memberId, mine], rank): [string, number[], number] => {
    const size = rank < larger ? least + 1 : least
    const keeps = mine.slice(0, size)
    for (const number of keeps) free.delete(number)
    return [memberId, keeps, size]
  })
  const rest = [...free]
  for (const [, keeps, size] of shares) keeps.push(...rest.splice(0, size - keeps.length))
  return new Map(shares.map(([memberId, keeps]) => [memberId, keeps.sort((a, b) => a - b)]))
}

/** Of two who claim the same, the one with the later generation is right: the other has missed a rebalance. */
function rightfulClaims(takers: readonly Applicant[], numbers: number): Map<string, number[]> {
  const holders = new Map<number, Applicant>()
  for (const one of takers) {
    for (const number of one.numbers) {
      const holder = holders.get(number)
      if (number >= numbers || (holder !== undefined && !precedes(one, holder))) continue
      holders.set(number, one)
    }
  }
  const claims = new Map(takers.map(({ memberId }): [string, number[]] => [memberId, []]))
  for (const [number, { memberId }] of holders) claims.get(memberId)?.push(number)
  for (const mine of claims.values()) mine.sort((a, b) => a - b)
  return claims
}

const precedes = (one: Applicant, other: Applicant): boolean =>
  one.generation === other.generation ? one.memberId < other.memberId : one.generation > other.generation
