import { backoffMs } from '../../../platform/backoff.ts'
import { assign, type Share } from '../../assigner.ts'
import type { Membership as Member, StandbyOptions } from '../../port.ts'
import { heartbeat, joinGroup, leaveGroup, syncGroup } from '../codecs/apis.ts'
import {
  BrokerError,
  ILLEGAL_GENERATION,
  MEMBER_ID_REQUIRED,
  REBALANCE_IN_PROGRESS,
  UNKNOWN_MEMBER_ID,
  remedyFor,
} from '../cluster/broker-error.ts'
import type { Brokers, Cluster } from '../cluster/cluster.ts'
import { Coordinator } from '../cluster/coordinator.ts'
import type { Lane } from '../wire/broker-connections.ts'
import { within } from '../wire/call.ts'
import {
  PROTOCOL_NAME,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../codecs/member-protocol.ts'
import { offsetCommitRequest } from '../codecs/offset-commit-request.ts'
import type { OffsetsPayload } from '../codecs/offset-commit-request.ts'
import { ownCall } from '../wire/own-call.ts'

export interface MembershipOptions {
  readonly cluster: Brokers & Pick<Cluster, 'partitionCounts'>
  /**
   * A join blocks its connection until all members have joined, so nothing else may use this lane.
   */
  readonly joinLane: Lane
  readonly lane: Lane
  readonly group: string
  readonly topics: readonly string[]
  readonly sessionTimeoutMs: number
  /** Partition numbers held now, for the leader to leave here. */
  readonly held: () => readonly number[]
  readonly standby: StandbyOptions | undefined
  /** Before it joins again; see ConsumerOptions. */
  readonly onRebalancing: () => Promise<void>
  readonly onAssigned: (share: Share, generation: number) => void
  /**
   * The group has gone on without this member: nothing is held any more. It joins again by itself.
   */
  readonly onLost: (generation: number) => void
  readonly onFailed: (error: unknown) => void
  readonly onTrouble: (error: unknown) => void
}

/**
 * How long members have to join again. They do so within a heartbeat, so this only bounds the wait
 * for one that hangs.
 */
const REBALANCE_TIMEOUT_MS = 15_000

/**
 * In answer to a heartbeat members learn of a rebalance, so it is the larger part of a take-over
 * (ADR 0027).
 */
const HEARTBEAT_MS = 500

/** Of the session: two heartbeats may be lost before the group gives the member up. */
const HEARTBEAT_SHARE = 1 / 3

/** Of the session, without a heartbeat: what the owner may take to move its cursors. */
const SETTLE_SHARE = 1 / 3

/** Between attempts to join; the number of attempts is not limited, because brokers come back. */
const BACKOFF = { firstMs: 50, maxMs: 2_000, jitter: 0.2 }

const TRANSIENT = new Set(['lost', 'later', 'elsewhere', 'coordinator'])

/**
 * Keeps one member in its group. It joins, leads when the coordinator says so, and sends heartbeats
 * whatever else goes on.
 */
export class Membership {
  readonly #options: MembershipOptions
  readonly #joining: Coordinator
  readonly #coordinator: Coordinator
  readonly #stop = new AbortController()
  #hurry = new AbortController()
  #again = false
  #memberId = ''
  #generation = -1
  /** When the coordinator last knew this member. */
  #knownMs = 0
  #failures = 0
  #running: Promise<void> = Promise.resolve()

  constructor(options: MembershipOptions) {
    this.#options = options
    const { cluster, joinLane, lane, group } = options
    this.#joining = new Coordinator(cluster, joinLane, 'group', group)
    this.#coordinator = new Coordinator(cluster, lane, 'group', group)
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#hurry.abort()
    if (this.#memberId !== '') await this.#leave()
    await this.#running
  }

  /** As of the last assignment; undefined without one. */
  get member(): Member | undefined {
    if (this.#generation === -1) return undefined
    return { memberId: this.#memberId, generation: this.#generation }
  }

  /** One attempt under the present generation. */
  async commitOnce(offsets: readonly OffsetsPayload[]): Promise<void> {
    const { group } = this.#options
    const member = { groupId: group, memberId: this.#memberId, groupGenerationId: this.#generation }
    const call = ownCall(offsetCommitRequest(member, offsets))
    await this.#coordinator.once({
      name: 'OffsetCommit',
      call,
      codeOf: ({ codes }) => codes.find((code) => code !== 0) ?? 0,
    })
  }

  /** Looks at once whether the group has moved on, instead of at the next heartbeat. */
  hurry(): void {
    this.#hurry.abort()
  }

  /**
   * Joins again with what this member has to say of itself now; the coordinator makes a new
   * generation of it.
   */
  rejoin(): void {
    this.#again = true
    this.#hurry.abort()
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#settle()
        await this.#join()
        this.#failures = 0
        await this.#beat()
      } catch (error) {
        if (this.#stop.signal.aborted) return
        if (!(await this.#recovers(error))) return this.#options.onFailed(error)
      }
    }
  }

  /** The group waits for this member meanwhile, and gives it up when that takes a session. */
  async #settle(): Promise<void> {
    if (this.#generation === -1 || this.#failures > 0) return
    const { cluster, sessionTimeoutMs, onRebalancing } = this.#options
    const over = new AbortController()
    const late = cluster.clock.sleep(sessionTimeoutMs * SETTLE_SHARE, over.signal)
    await Promise.race([onRebalancing(), late])
    over.abort()
  }

  async #join(): Promise<void> {
    const { cluster, group, topics, sessionTimeoutMs, held, standby } = this.#options
    this.#again = false
    const subscription = encodeSubscription({
      topics,
      generation: this.#generation,
      numbers: held(),
      replicas: standby?.replicas ?? 0,
      progress: standby?.progress() ?? new Map(),
    })
    const call = joinGroup({
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      memberId: this.#memberId,
      protocolType: 'consumer',
      groupProtocols: [{ name: PROTOCOL_NAME, metadata: subscription }],
    })
    const codeOf = (answer: { errorCode: number; memberId: string }) => {
      if (answer.errorCode === MEMBER_ID_REQUIRED) this.#memberId = answer.memberId
      return answer.errorCode
    }
    const { generationId, memberId, leaderId, members } = await this.#joining.once({
      name: 'JoinGroup',
      call,
      codeOf,
    })
    this.#memberId = memberId
    const applicants = members.map((one) => decodeSubscription(one.memberId, one.memberMetadata))
    const counts = await cluster.partitionCounts([...new Set(applicants.flatMap((one) => one.topics))])
    const shares = memberId === leaderId ? assign(applicants, counts) : new Map<string, Share>()
    await this.#sync(generationId, shares)
  }

  async #sync(generationId: number, shares: ReadonlyMap<string, Share>): Promise<void> {
    const groupAssignment = [...shares].map(([memberId, share]) => ({
      memberId,
      memberAssignment: encodeAssignment(share),
    }))
    const member = { groupId: this.#options.group, memberId: this.#memberId }
    const call = syncGroup({ ...member, generationId, groupAssignment })
    const { memberAssignment } = await this.#joining.once({ name: 'SyncGroup', call, codeOf: errorCode })
    if (this.#stop.signal.aborted) return
    this.#generation = generationId
    this.#knownMs = this.#options.cluster.clock.now()
    this.#options.onAssigned(decodeAssignment(memberAssignment), generationId)
  }

  /** Until the group rebalances, which the coordinator says in answer to a heartbeat, or is to. */
  async #beat(): Promise<void> {
    const { cluster, group, sessionTimeoutMs } = this.#options
    while (!this.#stop.signal.aborted && !this.#again) {
      this.#hurry = new AbortController()
      await cluster.clock.sleep(HEARTBEAT_MS, AbortSignal.any([this.#hurry.signal, this.#stop.signal]))
      if (this.#stop.signal.aborted || this.#again) return
      const member = { groupId: group, memberId: this.#memberId, groupGenerationId: this.#generation }
      try {
        const call = within(heartbeat(member), sessionTimeoutMs * HEARTBEAT_SHARE)
        const sentMs = cluster.clock.now()
        await this.#joining.once({ name: 'Heartbeat', call, codeOf: errorCode })
        this.#knownMs = sentMs
      } catch (error) {
        // The session may outlast the trouble; whether it did, the next answer says.
        if (!TRANSIENT.has(remedyFor(error) ?? '')) throw error
        this.#options.onTrouble(error)
        this.#loseIfExpired()
      }
    }
  }

  /** True to join again. */
  async #recovers(error: unknown): Promise<boolean> {
    const code = error instanceof BrokerError ? error.code : 0
    if (code === REBALANCE_IN_PROGRESS || code === MEMBER_ID_REQUIRED) return true
    if (code === UNKNOWN_MEMBER_ID || code === ILLEGAL_GENERATION) return this.#lose(code)
    if (!TRANSIENT.has(remedyFor(error) ?? '')) return false
    this.#options.onTrouble(error)
    this.#loseIfExpired()
    this.#failures += 1
    const { clock } = this.#options.cluster
    await clock.sleep(backoffMs(this.#failures, { ...BACKOFF, random: clock.random }), this.#stop.signal)
    return true
  }

  /**
   * By its own clock the session is over, though nobody can say so: another member has the
   * partitions, or will [F7]. Once it is heard again it joins anew.
   */
  #loseIfExpired(): void {
    const { cluster, sessionTimeoutMs } = this.#options
    if (this.#generation === -1 || cluster.clock.now() - this.#knownMs < sessionTimeoutMs) return
    this.#again = true
    this.#lose(ILLEGAL_GENERATION)
  }

  #lose(code: number): true {
    if (code === UNKNOWN_MEMBER_ID) this.#memberId = ''
    const generation = this.#generation
    this.#generation = -1
    this.#options.onLost(generation)
    return true
  }

  /** Politeness: without it the group waits for the session to time out. */
  async #leave(): Promise<void> {
    const call = leaveGroup({ groupId: this.#options.group, memberId: this.#memberId })
    try {
      await this.#coordinator.once({ name: 'LeaveGroup', call, codeOf: errorCode })
    } catch (error) {
      this.#options.onTrouble(error)
    }
  }
}

const errorCode = (answer: { readonly errorCode: number }): number => answer.errorCode
