import { LogError, partitionKey } from '../port.ts'
import type { Bounds, Cursor, GroupState, LogAdmin, TopicPartition } from '../port.ts'
import { describeGroups } from './codecs/apis.ts'
import { UNKNOWN_MEMBER_ID, remedyFor } from './cluster/broker-error.ts'
import { Attempts, PATIENT_MS_MAX } from './cluster/clock.ts'
import type { Cluster } from './cluster/cluster.ts'
import { Ends } from './cluster/ends.ts'
import { Coordinator } from './cluster/coordinator.ts'
import type { Repeatable } from './cluster/coordinator.ts'
import type { Lane } from './wire/broker-connections.ts'
import { cutBack } from './cluster/cut-back.ts'
import { askEnds, listBounds } from './cluster/list-bounds.ts'
import { offsetCommitRequest, offsetsPayload } from './codecs/offset-commit-request.ts'
import { offsetFetchRequest } from './codecs/offset-fetch-request.ts'
import { outcomeOf } from './cluster/outcome.ts'
import { ownCall } from './wire/own-call.ts'
import { ensureTopics, removeTopics } from './cluster/topics.ts'

const ADMIN_WITHIN_MS = 20_000

const NONE: ReadonlyMap<string, number> = new Map()

/** Outside of any generation. */
const NO_MEMBER = { memberId: '', groupGenerationId: -1 }

export class KafkaAdmin implements LogAdmin {
  readonly #cluster: Cluster
  readonly #lane: Lane
  readonly #ends: Ends

  constructor(cluster: Cluster, lane: Lane) {
    this.#cluster = cluster
    this.#lane = lane
    this.#ends = new Ends(cluster, (nodeId, at) => askEnds(cluster, lane, nodeId, at))
  }

  ensureTopics: LogAdmin['ensureTopics'] = (specs) =>
    this.#attempt(() => ensureTopics(this.#cluster, this.#lane, specs))

  partitions: LogAdmin['partitions'] = (topics) => this.#attempt(() => this.#cluster.partitionCounts(topics))

  bounds(at: readonly TopicPartition[]): Promise<ReadonlyMap<string, Bounds>> {
    return this.#attempt(() => listBounds(this.#cluster, this.#lane, at))
  }

  ends: LogAdmin['ends'] = (at) => this.#attempt(() => this.#ends.of(at))

  deleteTopics: LogAdmin['deleteTopics'] = (topics) =>
    this.#attempt(() => removeTopics(this.#cluster, this.#lane, topics))

  async committed(
    group: string,
    at: readonly TopicPartition[],
    how: 'settled' | 'asTheyAre' = 'settled',
  ): Promise<ReadonlyMap<string, Cursor>> {
    if (at.length === 0) return new Map()
    const partitions = new Map<string, number[]>()
    for (const { topic, partition } of at)
      partitions.set(topic, [...(partitions.get(topic) ?? []), partition])
    const call = ownCall(offsetFetchRequest(group, partitions, how === 'settled'))
    const { cursors } = await this.#ask(group, {
      name: 'OffsetFetch',
      call,
      codeOf: (answer) =>
        [answer, ...answer.cursors].find(({ errorCode }) => errorCode !== 0)?.errorCode ?? 0,
    })
    const found = cursors.filter(({ next }) => next >= 0)
    // Whoever only wants to know how far a group is goes on nowhere.
    const isOwner = how === 'settled'
    const cut = isOwner ? await this.#attempt(() => cutBack(this.#cluster, this.#lane, found)) : NONE
    return new Map(
      found.map(({ topic, partition, next, metadata }) => {
        const key = partitionKey({ topic, partition })
        const cutBackTo = cut.get(key)
        return [key, { topic, partition, next, metadata, ...(cutBackTo !== undefined && { cutBackTo }) }]
      }),
    )
  }

  async moveCursors(group: string, cursors: readonly Cursor[]): Promise<void> {
    const { members } = await this.groupState(group)
    if (members > 0) throw occupied(group, `${members} members`)
    if (cursors.length === 0) return
    const call = ownCall(offsetCommitRequest({ groupId: group, ...NO_MEMBER }, offsetsPayload(cursors)))
    await this.#ask(group, {
      name: 'OffsetCommit',
      call,
      codeOf: ({ codes }) => {
        // Somebody has joined since.
        if (codes.includes(UNKNOWN_MEMBER_ID)) throw occupied(group, 'members')
        return codes.find((code) => code !== 0) ?? 0
      },
    })
  }

  async groupState(group: string): Promise<GroupState> {
    const { groups } = await this.#ask(group, {
      name: 'DescribeGroups',
      call: describeGroups({ groupIds: [group] }),
      codeOf: (answer) => answer.groups[0]?.errorCode ?? 0,
    })
    const [found] = groups
    const memberIds = (found?.members ?? []).map(({ memberId }) => memberId)
    return { state: found?.state ?? 'Dead', members: memberIds.length, memberIds }
  }

  async #ask<Answer extends object>(group: string, request: Repeatable<Answer>): Promise<Answer> {
    const coordinator = new Coordinator(this.#cluster, this.#lane, 'group', group)
    try {
      return await coordinator.ask(request, this.#cluster.clock.now() + ADMIN_WITHIN_MS)
    } catch (error) {
      throw outcomeOf(error)
    }
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    const attempts = new Attempts(
      this.#cluster.clock,
      this.#cluster.clock.now() + ADMIN_WITHIN_MS,
      PATIENT_MS_MAX,
    )
    for (;;) {
      try {
        return await work()
      } catch (error) {
        const remedy = remedyFor(error) ?? ''
        if (!AGAIN.has(remedy) || !(await attempts.another())) throw outcomeOf(error)
      }
    }
  }
}

/** NOT_CONTROLLER is among them: the controller is asked for anew at each attempt. */
const AGAIN = new Set(['lost', 'later', 'elsewhere', 'coordinator'])

const occupied = (group: string, by: string): LogError =>
  new LogError('fatal', `${group} has ${by}: its cursors stay where they are`)
