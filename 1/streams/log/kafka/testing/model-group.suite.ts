import type { TopicPartition } from '../../port.ts'
import { encodeAssignment, encodeSubscription } from '../codecs/member-protocol.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { ApiName, CallFor } from '../wire/call.ts'
import { ConnectionLost } from '../wire/connection-lost.ts'
import { HeldPartitions } from '../reading/held-partitions.ts'
import type { MembershipOptions } from '../reading/membership.ts'

const REBALANCE_IN_PROGRESS = 27
/** What a connection waits for an answer unless a request says otherwise. */
const REQUEST_TIMEOUT_MS = 10_000

const VERSIONS = new Map(
  [11, 12, 13, 14].map((apiKey) => [apiKey, { minVersion: 0, maxVersion: apiKey === 11 ? 5 : 3 }]),
)

const unused = (): never => {
  throw new Error('a member does not ask this')
}

/**
 * The coordinator of a group of one member, and the time in which it answers: both go on only as
 * far as the member waits.
 */
export class ModelGroup {
  readonly topic = 't'
  readonly held: readonly TopicPartition[] = [{ topic: this.topic, partition: 0 }]
  /** What came, by name. */
  readonly seen: string[] = []
  /** Heartbeats to come that nobody answers. */
  swallowed = 0
  isMovingOn = false
  #nowMs = 1_000
  #generation = 0

  get cluster(): MembershipOptions['cluster'] {
    return {
      clock: { now: () => this.#nowMs, sleep: (ms) => this.#pass(ms), random: () => 0.5 },
      compression: 'none',
      held: new HeldPartitions(),
      send: (_, __, call) => this.#answer(call),
      coordinatorOf: () => Promise.resolve(1),
      forgetCoordinator: () => undefined,
      partitionCounts: () => Promise.resolve(new Map([[this.topic, 1]])),
      sendAny: unused,
      knownLeader: unused,
      leaderOf: unused,
      forgetTopic: unused,
    }
  }

  /** What is awaited comes first: time goes on when nothing else does. */
  async #pass(ms: number): Promise<void> {
    await new Promise((resolve) => void setImmediate(resolve))
    this.#nowMs += ms
  }

  async #answer<Answer extends object>(call: CallFor<Answer>): Promise<Answer> {
    const wanted = call(VERSIONS)
    this.seen.push(wanted.apiName)
    if (wanted.apiName === 'Heartbeat' && this.swallowed > 0) {
      this.swallowed -= 1
      await this.#pass(wanted.requestTimeoutMs ?? REQUEST_TIMEOUT_MS)
      throw new ConnectionLost('no answer')
    }
    return wanted.decode(this.#bytesFor(wanted))
  }

  #bytesFor({ apiName }: ApiName): Buffer {
    const out = new ByteWriter().int32(0)
    if (apiName === 'JoinGroup') return this.#joined(out)
    if (apiName === 'SyncGroup')
      return out.int16(0).bytes(encodeAssignment({ held: this.held, standbys: [] })).buffer
    if (apiName === 'LeaveGroup') return out.int16(0).int32(0).buffer
    return out.int16(this.isMovingOn ? REBALANCE_IN_PROGRESS : 0).buffer
  }

  #joined(out: ByteWriter): Buffer {
    this.isMovingOn = false
    this.#generation += 1
    const applicant = { topics: [this.topic], generation: -1, numbers: [], replicas: 0, progress: new Map() }
    out.int16(0).int32(this.#generation).string('protocol').string('member').string('member')
    return out.int32(1).string('member').string(null).bytes(encodeSubscription(applicant)).buffer
  }
}
