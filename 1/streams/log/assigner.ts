import type { Standby, TopicPartition } from './port.ts'

/** What a member says of itself when it joins. */
export interface Applicant {
  readonly memberId: string
  readonly topics: readonly string[]
  /** The generation of which it holds `numbers`; -1 when it holds none. */
  readonly generation: number
  /** Partition numbers: each stands for that partition of all topics. */
  readonly numbers: readonly number[]
  /**
   * How many copies of each partition it wants kept besides the owner's; 0: it keeps none itself.
   */
  readonly replicas: number
  /** How far its local copies reach, by partition number (port.ts, StandbyOptions). */
  readonly progress: ReadonlyMap<number, number>
}

/** What a member gets. */
export interface Share {
  readonly held: readonly TopicPartition[]
  readonly standbys: readonly Standby[]
}

/**
 * A copy that misses no more records than this is warm: its member may take the partition over at
 * once. Reading that much of a changelog takes about half a second; Kafka Streams takes 10 000, but
 * hands over within minutes and not at the next heartbeat.
 */
const LAG_RECORDS_MAX = 50_000

/**
 * Co-partitioned, balanced and sticky. Partition p of every topic goes to the same member. Shares
 * differ by one at most. Members keep what they hold, up to their share. What becomes free goes to
 * the freshest copy. The order of the applicants changes nothing.
 *
 * Balance comes second to warmth. A partition whose heir would have to restore it stays with its
 * owner, or goes to the freshest copy when the owner is gone. The heir keeps a standby of it that
 * is `due`, and applies again once that has caught up.
 *
 * While a new version that reads more topics is being rolled out, only members that read them all
 * get any: otherwise partitions of the new topics would be without a reader.
 *
 * @param counts partitions by topic
 */
export function assign(
  applicants: readonly Applicant[],
  counts: ReadonlyMap<string, number>,
  lagMax = LAG_RECORDS_MAX,
): ReadonlyMap<string, Share> {
  const topics = [...new Set(applicants.flatMap((one) => one.topics))]
    .filter((topic) => counts.has(topic))
    .sort()
  const complete = applicants.filter((one) => topics.every((topic) => one.topics.includes(topic)))
  const takers = [...(complete.length > 0 ? complete : applicants)].sort(byId)
  const size = Math.max(0, ...topics.map((topic) => counts.get(topic) ?? 0))
  const numbers = takers.length === 0 ? [] : Array.from({ length: size }, (_, number) => number)
  const holders = rightfulHolders(takers, size)
  const heirs = heirsOf(takers, holders, numbers)
  const owners = new Map(numbers.map((number) => [number, ownerOf(number, takers, holders, heirs, lagMax)]))
  const standbys = spread(takers, owners, heirs, lagMax)
  return new Map(
    applicants.map((one): [string, Share] => {
      const held = numbers
        .filter((number) => owners.get(number) === one)
        .flatMap((partition) =>
          topics
            .filter((topic) => one.topics.includes(topic) && partition < (counts.get(topic) ?? 0))
            .map((topic) => ({ topic, partition })),
        )
      return [one.memberId, { held, standbys: standbys.get(one) ?? [] }]
    }),
  )
}

type ByNumber = ReadonlyMap<number, Applicant | undefined>

const byId = (one: Applicant, other: Applicant): number =>
  one.memberId < other.memberId ? -1 : Number(one.memberId > other.memberId)

const progressOf = (one: Applicant | undefined, number: number): number => one?.progress.get(number) ?? 0

/**
 * Of two who claim the same, the one with the later generation is right: the other has missed a
 * rebalance.
 */
function rightfulHolders(takers: readonly Applicant[], size: number): ByNumber {
  const holders = new Map<number, Applicant>()
  for (const one of takers) {
    for (const number of one.numbers) {
      if (number < size && one.generation > (holders.get(number)?.generation ?? -2)) holders.set(number, one)
    }
  }
  return holders
}

/** Who is to have each number in the end, as if every copy were warm. */
function heirsOf(takers: readonly Applicant[], holders: ByNumber, numbers: readonly number[]): ByNumber {
  const heldBy = (one: Applicant): number[] => numbers.filter((number) => holders.get(number) === one)
  // The larger shares go to those who hold most, because that moves least.
  const order = takers
    .map((one) => ({ one, mine: heldBy(one) }))
    .sort((a, b) => b.mine.length - a.mine.length || byId(a.one, b.one))
  const shares = order.map(({ one, mine }, rank) => {
    const size = Math.floor(numbers.length / order.length) + Number(rank < numbers.length % order.length)
    return { one, mine, size, room: Math.max(0, size - mine.length) }
  })
  const short = shares.filter(({ room }) => room > 0)
  const heirs = new Map<number, Applicant>()
  for (const { one, mine, size } of shares) {
    for (const number of mine.sort(byDistance(one, short)).slice(0, size)) heirs.set(number, one)
  }
  const give = (number: number, to: (typeof shares)[number] | undefined): void => {
    if (to === undefined) return
    heirs.set(number, to.one)
    to.room -= 1
  }
  const free = (): number[] => numbers.filter((number) => !heirs.has(number))
  for (const number of free()) give(number, freshestWithRoom(short, number))
  for (const number of free())
    give(
      number,
      short.find(({ room }) => room > 0),
    )
  return heirs
}

/** Kept first is what those who are short of partitions would have to read most of. */
function byDistance(holder: Applicant, short: readonly { one: Applicant }[]) {
  const distance = (number: number): number =>
    progressOf(holder, number) - Math.max(0, ...short.map(({ one }) => progressOf(one, number)))
  return (a: number, b: number): number => distance(b) - distance(a) || a - b
}

function freshestWithRoom<S extends { one: Applicant; room: number }>(
  short: readonly S[],
  number: number,
): S | undefined {
  const able = short.filter(({ one, room }) => room > 0 && progressOf(one, number) > 0)
  return able.sort((a, b) => progressOf(b.one, number) - progressOf(a.one, number) || byId(a.one, b.one))[0]
}

function ownerOf(
  number: number,
  takers: readonly Applicant[],
  holders: ByNumber,
  heirs: ByNumber,
  lagMax: number,
): Applicant | undefined {
  const heir = heirs.get(number)
  const holder = holders.get(number) ?? freshest(takers, number)
  if (heir === undefined || heir.replicas === 0) return heir
  return progressOf(holder, number) - progressOf(heir, number) <= lagMax ? heir : holder
}

const freshest = (takers: readonly Applicant[], number: number): Applicant | undefined =>
  takers.toSorted((a, b) => progressOf(b, number) - progressOf(a, number) || byId(a, b))[0]

/**
 * Each number gets a due heir, and as many other copies as are wanted, never at its owner. Warm
 * copies stay where they are as long as their member has not more than its part of all copies.
 */
function spread(
  takers: readonly Applicant[],
  owners: ByNumber,
  heirs: ByNumber,
  lagMax: number,
): ReadonlyMap<Applicant, readonly Standby[]> {
  const keepers = takers.filter(({ replicas }) => replicas > 0)
  const replicas = Math.max(0, ...keepers.map((one) => one.replicas))
  const fair = Math.ceil((owners.size * replicas) / Math.max(1, keepers.length))
  const copies = new Map(keepers.map((one): [Applicant, Standby[]] => [one, []]))
  const load = (one: Applicant): number => copies.get(one)?.length ?? 0
  for (const [number, owner] of owners) {
    const heir = heirs.get(number)
    if (heir !== undefined && heir !== owner) copies.get(heir)?.push({ partition: number, due: true })
    const best = Math.max(...takers.map((one) => progressOf(one, number)))
    const missing = (one: Applicant): number => {
      const lag = best - progressOf(one, number)
      return lag <= lagMax ? 0 : lag
    }
    const chosen = keepers
      .filter((one) => one !== owner && one !== heir)
      .sort(
        (a, b) =>
          Number(load(a) >= fair) - Number(load(b) >= fair) ||
          missing(a) - missing(b) ||
          load(a) - load(b) ||
          byId(a, b),
      )
    for (const one of chosen.slice(0, replicas)) copies.get(one)?.push({ partition: number, due: false })
  }
  return copies
}
