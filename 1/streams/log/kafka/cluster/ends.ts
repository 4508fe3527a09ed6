import { partitionKey } from '../../port.ts'
import type { Bounds, TopicPartition } from '../../port.ts'
import { BrokerError, NETWORK_EXCEPTION } from './broker-error.ts'
import type { Brokers } from './cluster.ts'

export type End = Omit<Bounds, 'start'>

/** One question to one leader; answers by `partitionKey`. */
export type AskEnds = (
  nodeId: number,
  at: readonly TopicPartition[],
) => Promise<ReadonlyMap<string, End | BrokerError>>

interface Asked {
  readonly at: TopicPartition
  readonly resolve: (end: End) => void
  readonly reject: (error: unknown) => void
}

/**
 * Where partitions end, for many who want to know at the same time: one question is under way to
 * each leader, and who comes meanwhile joins the next, so that every answer is younger than its
 * question. A leader that is away holds up only those who ask for its partitions.
 */
export class Ends {
  readonly #leaders: Pick<Brokers, 'knownLeader' | 'leaderOf'>
  readonly #askEnds: AskEnds
  /** By leader; a key is there while a question to it is under way. */
  readonly #waiting = new Map<number, Asked[]>()

  constructor(leaders: Pick<Brokers, 'knownLeader' | 'leaderOf'>, askEnds: AskEnds) {
    this.#leaders = leaders
    this.#askEnds = askEnds
  }

  /** One attempt. */
  async of(at: readonly TopicPartition[]): Promise<ReadonlyMap<string, End>> {
    const ends = at.map(async (one): Promise<[string, End]> => [partitionKey(one), await this.#end(one)])
    return new Map(await Promise.all(ends))
  }

  async #end(at: TopicPartition): Promise<End> {
    const { topic, partition } = at
    const known = this.#leaders.knownLeader(topic, partition)
    const nodeId = known ?? (await this.#leaders.leaderOf(topic, partition))
    return new Promise((resolve, reject) => {
      this.#join(nodeId, { at, resolve, reject })
    })
  }

  #join(nodeId: number, asked: Asked): void {
    const waiting = this.#waiting.get(nodeId)
    if (waiting !== undefined) waiting.push(asked)
    else {
      this.#waiting.set(nodeId, [asked])
      queueMicrotask(() => void this.#askAll(nodeId))
    }
  }

  async #askAll(nodeId: number): Promise<void> {
    for (let all = this.#take(nodeId); all.length > 0; all = this.#take(nodeId)) await this.#ask(nodeId, all)
    this.#waiting.delete(nodeId)
  }

  #take(nodeId: number): readonly Asked[] {
    const all = this.#waiting.get(nodeId) ?? []
    this.#waiting.set(nodeId, [])
    return all
  }

  async #ask(nodeId: number, all: readonly Asked[]): Promise<void> {
    // A broker refuses a partition that is named twice.
    const at = [...new Map(all.map((one) => [partitionKey(one.at), one.at])).values()]
    try {
      const ends = await this.#askEnds(nodeId, at)
      for (const one of all) settle(one, ends.get(partitionKey(one.at)))
    } catch (error) {
      for (const { reject } of all) reject(error)
    }
  }
}

function settle({ at, resolve, reject }: Asked, end: End | BrokerError | undefined): void {
  if (end instanceof BrokerError) reject(end)
  else if (end === undefined) reject(new BrokerError(NETWORK_EXCEPTION, 'ListOffsets', partitionKey(at)))
  else resolve(end)
}
