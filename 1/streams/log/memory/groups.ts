import { assign, type Applicant, type Share } from '../assigner.ts'
import { LogError, OutdatedError, partitionKey } from '../port.ts'
import type { Cursor, GroupState, Membership } from '../port.ts'
import type { Topics } from './topics.ts'

const METADATA_BYTES_MAX = 4096

export interface Member {
  readonly id: string
  readonly topics: readonly string[]
  readonly replicas: number
  progress(): ReadonlyMap<number, number>
  /** False once its process has crashed. */
  isAlive(): boolean
  assigned(share: Share, generation: number): void
  /** It is no member any more, but has not noticed. */
  expelled(): void
}

interface Group {
  readonly members: Map<string, { readonly member: Member; numbers: readonly number[] }>
  readonly cursors: Map<string, Cursor>
  generation: number
}

/** The group coordinator: members, generations, assignment and cursors. */
export class Groups {
  readonly #topics: Topics
  readonly #lagMax: number | undefined
  readonly #groups = new Map<string, Group>()

  constructor(topics: Topics, lagMax: number | undefined) {
    this.#topics = topics
    this.#lagMax = lagMax
  }

  /**
   * Members of one group read the same topics: anything else would leave partitions without a
   * reader.
   */
  join(name: string, member: Member): void {
    const group = this.#group(name)
    for (const topic of member.topics) this.#topics.partitionsOf(topic)
    for (const other of group.members.values()) {
      if (!other.member.isAlive()) continue
      if (other.member.topics.toSorted().join() !== member.topics.toSorted().join()) {
        throw new LogError('fatal', `the members of ${name} read other topics`)
      }
    }
    group.members.set(member.id, { member, numbers: [] })
    this.rebalance(name)
  }

  leave(name: string, memberId: string): void {
    if (this.#group(name).members.delete(memberId)) this.rebalance(name)
  }

  /** What a member asks for when a copy that was due has caught up. */
  reassign(name: string, memberId: string): void {
    if (this.#group(name).members.has(memberId)) this.rebalance(name)
  }

  /**
   * A new generation of those who answer: as with a broker, the dead do not come back from a
   * rebalance.
   */
  rebalance(name: string): void {
    const group = this.#group(name)
    for (const [id, { member }] of group.members) {
      if (member.isAlive()) continue
      group.members.delete(id)
      member.expelled()
    }
    group.generation += 1
    if (group.members.size > 0) this.#assign(group)
  }

  /** Session timeout of one member. */
  expel(name: string, memberId: string): void {
    const group = this.#group(name)
    const found = group.members.get(memberId)
    if (found === undefined) return
    group.members.delete(memberId)
    found.member.expelled()
    this.rebalance(name)
  }

  /** Session timeout of every member whose process has crashed. */
  expelDead(): void {
    for (const [name, group] of this.#groups) {
      if ([...group.members.values()].some(({ member }) => !member.isAlive())) this.rebalance(name)
    }
  }

  commit(name: string, from: Membership, cursors: readonly Cursor[]): void {
    if (!this.#isCurrent(name, from))
      throw new LogError('fenced', `generation ${from.generation} of ${name} is over`)
    this.check(cursors)
    this.move(name, cursors)
  }

  /** As a broker does when a transaction is to move cursors (KIP-447). */
  assertCurrent(name: string, member: Membership | undefined): void {
    if (member !== undefined && !this.#isCurrent(name, member)) throw new OutdatedError(name)
  }

  #isCurrent(name: string, { memberId, generation }: Membership): boolean {
    const group = this.#group(name)
    return group.members.has(memberId) && group.generation === generation
  }

  /** Refuses what a broker refuses, before anything has moved. */
  check(cursors: readonly Cursor[]): void {
    for (const cursor of cursors) {
      this.#topics.partition(cursor)
      if (Buffer.byteLength(cursor.metadata) > METADATA_BYTES_MAX) {
        throw new LogError(
          'fatal',
          `the metadata of ${partitionKey(cursor)} is over ${METADATA_BYTES_MAX} bytes`,
        )
      }
    }
  }

  move(name: string, cursors: readonly Cursor[]): void {
    const group = this.#group(name)
    for (const { topic, partition, next, metadata } of cursors) {
      group.cursors.set(partitionKey({ topic, partition }), { topic, partition, next, metadata })
    }
  }

  cursors(name: string): ReadonlyMap<string, Cursor> {
    return this.#groups.get(name)?.cursors ?? new Map<string, Cursor>()
  }

  state(name: string): GroupState {
    const group = this.#groups.get(name)
    const memberIds = [...(group?.members.keys() ?? [])]
    const members = memberIds.length
    if (members > 0) return { state: 'Stable', members, memberIds }
    return { state: group === undefined || group.cursors.size === 0 ? 'Dead' : 'Empty', members, memberIds }
  }

  forgetCursors(topics: readonly string[]): void {
    for (const { cursors } of this.#groups.values()) {
      for (const [key, { topic }] of cursors) if (topics.includes(topic)) cursors.delete(key)
    }
  }

  /** Cursors of deleted topics go, and their readers are assigned anew. */
  forgetTopics(topics: readonly string[]): void {
    this.forgetCursors(topics)
    for (const [name, group] of this.#groups) {
      const readers = [...group.members.values()]
      if (readers.some(({ member }) => member.topics.some((topic) => topics.includes(topic)))) {
        this.rebalance(name)
      }
    }
  }

  /** What members hold the group knows itself, so nobody claims what is another's. */
  #assign({ members, generation }: Group): void {
    const applicants = [...members.values()].map(({ member, numbers }): Applicant => {
      const { id: memberId, topics, replicas } = member
      return { memberId, topics, generation, numbers, replicas, progress: member.progress() }
    })
    const topics = new Set(applicants.flatMap((one) => one.topics))
    const known = [...topics].map((topic): [string, number] => [topic, this.#topics.partitionCount(topic)])
    const counts = new Map(known.filter(([, count]) => count > 0))
    for (const [id, share] of assign(applicants, counts, this.#lagMax)) {
      const entry = members.get(id)
      if (entry === undefined) continue
      entry.numbers = [...new Set(share.held.map(({ partition }) => partition))]
      entry.member.assigned(share, generation)
    }
  }

  #group(name: string): Group {
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = { members: new Map(), cursors: new Map(), generation: 0 }
      this.#groups.set(name, group)
    }
    return group
  }
}
