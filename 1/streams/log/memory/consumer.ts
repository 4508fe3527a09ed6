import type { Share } from '../assigner.ts'
import { LogError, partitionKey } from '../port.ts'
import type { ConsumerOptions, Cursor, LogConsumer, Membership, TopicPartition } from '../port.ts'
import type { Broker } from './broker.ts'
import type { Connection } from './connection.ts'
import type { Member } from './groups.ts'
import type { PartitionLog } from './partition-log.ts'

const NOT_WATCHED = (): void => {}

/** A partition that this member holds, as far as it knows. */
interface OwnedPartition {
  readonly at: TopicPartition
  log: PartitionLog
  unwatch: () => void
  position: number | null
  paused: boolean
  /** It was cut back below what was read, to here; a leader's epoch tells (KIP-320). */
  cutTo: number | null
  /** A delivery has been scheduled and has not had its turn. */
  due: boolean
}

/**
 * One member of a group. Records flow when a partition is resumed, has a position, and something
 * below the last stable offset lies there. An event wakes it; nothing polls. As with a broker, a
 * member that has lost a partition goes on receiving it until it learns of the new generation; only
 * fencing protects against that.
 */
export class MemoryConsumer implements LogConsumer {
  readonly #broker: Broker
  readonly #connection: Connection
  readonly #options: ConsumerOptions
  readonly #member: Member
  readonly #owned = new Map<string, OwnedPartition>()
  #phase: 'new' | 'running' | 'over' = 'new'
  #expelled = false
  #generation = 0

  constructor(broker: Broker, connection: Connection, options: ConsumerOptions, memberId: string) {
    this.#broker = broker
    this.#connection = connection
    this.#options = options
    this.#member = {
      id: memberId,
      topics: options.topics,
      replicas: options.standby?.replicas ?? 0,
      progress: () => options.standby?.progress() ?? new Map(),
      isAlive: () => connection.alive,
      assigned: (share, generation) => connection.receive(() => this.#take(share, generation)),
      expelled: () => {
        this.#expelled = true
      },
    }
  }

  async start(): Promise<void> {
    if (this.#phase !== 'new') throw new LogError('fatal', 'a consumer starts once')
    this.#phase = 'running'
    await this.#connection.request(() => this.#broker.groups.join(this.#options.group, this.#member))
  }

  async stop(): Promise<void> {
    if (this.#phase !== 'running') return
    this.#end()
    await this.#connection.request(() => this.#broker.groups.leave(this.#options.group, this.#member.id))
  }

  // A partition that has just been lost may still be named by its former task; it delivers nothing,
  // so nothing is to do.
  seek(at: TopicPartition, offset: number): void {
    const owned = this.#owned.get(partitionKey(at))
    if (owned === undefined) return
    owned.position = offset
    owned.cutTo = null
    this.#wake(owned)
  }

  pause(at: readonly TopicPartition[]): void {
    for (const one of at) {
      const owned = this.#owned.get(partitionKey(one))
      if (owned !== undefined) owned.paused = true
    }
  }

  resume(at: readonly TopicPartition[]): void {
    for (const one of at) {
      const owned = this.#owned.get(partitionKey(one))
      if (owned === undefined) continue
      owned.paused = false
      this.#wake(owned)
    }
  }

  /** As with a broker, nobody waits for the answer. One that is no member any more asks in vain. */
  reassign(): void {
    if (this.#phase !== 'running') return
    const { groups } = this.#broker
    const { group } = this.#options
    void this.#connection.request(() => groups.reassign(group, this.#member.id))
  }

  member(): Membership | undefined {
    if (this.#phase !== 'running' || this.#generation === 0) return undefined
    return { memberId: this.#member.id, generation: this.#generation }
  }

  async commit(cursors: readonly Cursor[]): Promise<void> {
    if (this.#phase !== 'running') throw new LogError('fenced', 'this consumer is no member of its group')
    const from = { memberId: this.#member.id, generation: this.#generation }
    await this.#connection.request(() => this.#arrive(from, cursors))
  }

  /** Session timeout: the group goes on without this member, which does not know. */
  expel(): void {
    this.#broker.groups.expel(this.#options.group, this.#member.id)
  }

  /** A heartbeat's answer: an expelled member learns that it is one. */
  notice(): void {
    if (this.#expelled) this.#fail(new LogError('fenced', 'the group went on without this consumer'))
  }

  #arrive(from: Membership, cursors: readonly Cursor[]): void {
    const { groups, faults } = this.#broker
    const { group } = this.#options
    if (faults.cursorsLost?.({ group }) === true)
      throw new LogError('retriable', 'the cursors did not arrive')
    this.notice()
    groups.commit(group, from, cursors)
    if (faults.cursorsAgain?.({ group }) === true) this.#broker.late(() => this.#arriveAgain(from, cursors))
    if (faults.cursorsReplyLost?.({ group }) === true) throw new LogError('unknown', 'the reply is lost')
  }

  /** Nobody waits for the answer, and a generation that is over is one of those expected. */
  #arriveAgain(from: Membership, cursors: readonly Cursor[]): void {
    try {
      this.#broker.groups.commit(this.#options.group, from, cursors)
    } catch (error) {
      if (!(error instanceof LogError)) throw error
    }
  }

  #take({ held: partitions, standbys }: Share, generation: number): void {
    if (this.#phase !== 'running') return
    this.#generation = generation
    const before = [...this.#owned.values()]
    const now = partitions.flatMap((at) => this.#keepOrHold(at))
    this.#owned.clear()
    for (const owned of now) this.#owned.set(partitionKey(owned.at), owned)
    for (const owned of before) if (!now.includes(owned)) owned.unwatch()
    this.#options.onAssigned(
      now.map(({ at }) => at),
      generation,
      standbys,
    )
  }

  /**
   * Nothing for a topic that was deleted while the assignment was on its way: the next one comes
   * without it.
   */
  #keepOrHold(at: TopicPartition): OwnedPartition[] {
    const log = this.#broker.topics.find(at)
    if (log === undefined) return []
    const kept = this.#owned.get(partitionKey(at))
    return [kept?.log === log ? kept : this.#hold(at, log)]
  }

  #hold(at: TopicPartition, log: PartitionLog): OwnedPartition {
    const owned: OwnedPartition = {
      at,
      log,
      unwatch: NOT_WATCHED,
      position: null,
      paused: true,
      cutTo: null,
      due: false,
    }
    this.#watch(owned)
    return owned
  }

  /**
   * A fetch names no topic id: a member reads on at its position in what bears the name now, until
   * its owner looks at the id.
   */
  #watch(owned: OwnedPartition): void {
    owned.unwatch = owned.log.watch({
      changed: () => this.#wake(owned),
      cutBack: (end) => {
        if (owned.position !== null && owned.position > end) owned.cutTo = end
      },
      replaced: (log) => {
        owned.unwatch()
        owned.log = log
        this.#watch(owned)
        this.#wake(owned)
      },
    })
  }

  #wake(owned: OwnedPartition): void {
    if (owned.due || owned.paused || owned.position === null || !owned.log.isLed) return
    if (owned.position < owned.log.lastStable || isLost(owned)) this.#schedule(owned)
  }

  // Not in order with the connection's replies: fetches of several partitions overtake each other.
  #schedule(owned: OwnedPartition): void {
    owned.due = true
    this.#broker.schedule(() => this.#connection.whenGoing(() => this.#deliver(owned)))
  }

  #deliver(owned: OwnedPartition): void {
    owned.due = false
    const { at, log, position } = owned
    if (!this.#isFlowing(owned) || position === null) return
    if (this.#broker.faults.deliver?.({ ...at, group: this.#options.group }) === true)
      return this.#schedule(owned)
    if (isLost(owned)) {
      owned.position = null
      return this.#options.onStopped?.(
        at,
        new LogError('fatal', `${partitionKey(at)} ends before ${position}`),
      )
    }
    const limits = { recordsMax: this.#broker.deliverMax, bytesMax: Number.POSITIVE_INFINITY }
    const { records, next } = log.read(position, limits)
    if (next === position) return undefined
    owned.position = next
    this.#options.onRecords(at, records, next)
    return this.#wake(owned)
  }

  #isFlowing(owned: OwnedPartition): boolean {
    const isHeld = this.#owned.get(partitionKey(owned.at)) === owned
    return (
      isHeld &&
      owned.log.isLed &&
      !owned.paused &&
      !this.#expelled &&
      this.#phase === 'running' &&
      this.#connection.alive
    )
  }

  #fail(error: LogError): void {
    if (this.#phase !== 'running') return
    this.#end()
    this.#broker.groups.leave(this.#options.group, this.#member.id)
    this.#connection.receive(() => this.#options.onFailed(error))
  }

  #end(): void {
    this.#phase = 'over'
    for (const { unwatch } of this.#owned.values()) unwatch()
    this.#owned.clear()
  }
}

/** What was read up to its position is not there any more. */
const isLost = ({ position, cutTo, log }: OwnedPartition): boolean =>
  cutTo !== null || (position !== null && position > log.end)
