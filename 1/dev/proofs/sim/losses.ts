import type { Topology } from '../../../streams/dsl/topology.ts'
import type { MemoryLog } from '../../../streams/log/memory.ts'
import type { Lost } from '../../../streams/log/memory/partition-log.ts'
import { partitionKey, type LogRecord } from '../../../streams/log/port.ts'
import { DEFAULT_LIMITS, type TaskLimits } from '../../../streams/runtime/limits.ts'
import { groupOf } from '../../../streams/runtime/task/names.ts'
import type { Dice } from './dice.ts'
import type { History } from './history.ts'
import type { OrderWatch } from './order-watch.ts'
import { APP } from './process.ts'
import type { VirtualTime } from './virtual-time.ts'

/**
 * Inputs that tasks read and bridges do not: `consume` does not hear as yet that a partition gives
 * no more, and looks at no id while it reads. One of them loses something in a run: what it held
 * because it was deleted and made again, or the end of a partition because the leader had nothing
 * better.
 */
const INPUTS = [
  'sms.outbound.request',
  'sms.outbound.cancel',
  'smpp.submit.result',
  'sms.dlr.inbound',
  'dlr.lookup',
  'dlr.sent',
  'dlr.segment.facts',
] as const
export const LOSS_KINDS = ['recreation', 'truncation'] as const
const LOST_MAX = 2
/** Of all seeds. */
const RATE = 0.25

export interface LossPlan {
  readonly losses: readonly { readonly topic: string; readonly atMs: number }[]
  /** Whoever reads has to notice within the time that a run takes. */
  readonly limits: Partial<TaskLimits>
}

export const NO_LOSSES: LossPlan = { losses: [], limits: {} }

/** What a run will lose, and when in its first minutes. */
export function planLosses(dice: Dice, isSure: boolean): LossPlan {
  if (!dice.chance(RATE) && !isSure) return NO_LOSSES
  const topics = new Set(Array.from({ length: dice.int(1, LOST_MAX) }, () => dice.pick(INPUTS)))
  const limits = { topicsLookMs: dice.pick([1000, 5000]), shortChangelogMsMax: NOTICED_MS_MAX }
  return { losses: [...topics].map((topic) => ({ topic, atMs: dice.int(1500, 20_000) })), limits }
}

/**
 * Longer than a partition is without a leader, than a marker is on its way, and than a transaction
 * holds back the end of a changelog that nobody knows to be open.
 */
export const NOTICED_MS_MAX = DEFAULT_LIMITS.transactionTimeoutMs + 5_000

export interface LossesOptions {
  readonly lossPlan: LossPlan
  readonly dice: Dice
  readonly log: MemoryLog
  readonly time: VirtualTime
  readonly history: History
  readonly storm: { readonly active: boolean }
  readonly topologies: readonly Topology[]
  readonly partitions: number
  readonly order: OrderWatch
}

interface Loss {
  readonly topic: string
  /** Where the partitions that lost something ended afterwards, by number. */
  readonly ends: ReadonlyMap<number, number>
  readonly lost: Lost
  /** Up to where every reader had read and committed, by `partitionKey`. */
  readonly done: ReadonlyMap<string, number>
  /**
   * Nobody can tell what is written below the old ends from what was there, until all readers have
   * seen that the log was cut back.
   */
  readonly oldEnds: ReadonlyMap<number, number>
  indistinct: readonly LogRecord[] | undefined
}

/** What the log itself has lost in a run, and who may have known it. */
export class Losses {
  readonly #options: LossesOptions
  readonly #all: Loss[] = []
  #isFresh = false

  constructor(options: LossesOptions) {
    this.#options = options
    const { lossPlan, time, storm } = options
    for (const { topic, atMs } of lossPlan.losses) {
      time.after(atMs, () => {
        if (storm.active) this.#strike(topic)
      })
    }
  }

  get count(): number {
    return this.#all.length
  }

  /** Since the last rest: somebody has to notice, and looks only now and then. */
  get areFresh(): boolean {
    return this.#isFresh
  }

  /** All have seen it now. */
  settled(): void {
    this.#isFresh = false
    for (const loss of this.#all) {
      loss.indistinct ??= this.#options.log
        .dump(loss.topic)
        .filter(
          ({ partition, offset }) =>
            offset >= (loss.ends.get(partition) ?? 0) && offset < (loss.oldEnds.get(partition) ?? 0),
        )
    }
  }

  #strike(topic: string): void {
    const { dice, log, history } = this.#options
    const kind = dice.pick(LOSS_KINDS)
    const done = this.#doneIn(topic)
    const loss = kind === 'recreation' ? this.#recreate(topic) : this.#truncate(topic)
    this.#all.push({ topic, done, indistinct: undefined, ...loss })
    this.#isFresh = true
    this.#options.order.forget(topic)
    history.fault(kind, `${topic} ${[...loss.ends].join(' ')} of ${log.dump(topic).length}`)
  }

  #recreate(topic: string) {
    const { dice, log, partitions } = this.#options
    const numbers = Array.from({ length: partitions }, (_, partition) => partition)
    const lost = log.recreate(topic, dice.chance(0.3) ? 'kept' : 'forgotten')
    const ends = new Map(numbers.map((partition) => [partition, 0]))
    return { lost, ends, oldEnds: new Map<number, number>() }
  }

  #truncate(topic: string) {
    const { dice, log, partitions } = this.#options
    const partition = dice.int(0, partitions - 1)
    const oldEnd = this.#endOf(topic, partition)
    const end = Math.max(0, oldEnd - dice.pick([1, 2, 5, oldEnd]))
    const lost = log.truncate({ topic, partition }, end)
    return { lost, ends: new Map([[partition, end]]), oldEnds: new Map([[partition, oldEnd]]) }
  }

  #endOf(topic: string, partition: number): number {
    return this.#options.log.endOf({ topic, partition })
  }

  #doneIn(topic: string): ReadonlyMap<string, number> {
    const { topologies, log, partitions } = this.#options
    const readers = topologies.filter(({ inputs }) => inputs.some(({ name }) => name === topic))
    const cursors = readers.map(({ name }) => log.cursorsOf(groupOf(APP, name)))
    const keys = Array.from({ length: partitions }, (_, partition) => partitionKey({ topic, partition }))
    return new Map(keys.map((key) => [key, Math.min(...cursors.map((group) => group.get(key)?.next ?? 0))]))
  }

  /** What nobody may have read, or what nobody may have seen that it is there. */
  unread(): readonly LogRecord[] {
    return this.#all.flatMap(({ lost, done, indistinct }) => [
      ...lost().filter((record) => record.offset >= (done.get(partitionKey(record)) ?? 0)),
      ...(indistinct ?? []),
    ])
  }

  /** All that was ever committed to a topic, in the order of each partition. */
  everIn(topic: string): readonly LogRecord[] {
    const present = this.#options.log.dump(topic)
    const loss = this.#all.find((one) => one.topic === topic)
    if (loss === undefined) return present
    const lost = loss.lost()
    const numbers = new Set([...present, ...lost].map(({ partition }) => partition))
    return [...numbers]
      .sort((a, b) => a - b)
      .flatMap((partition) => {
        const end = loss.ends.get(partition)
        const mine = present.filter((record) => record.partition === partition)
        const kept = mine.filter(({ offset }) => end === undefined || offset < end)
        return [...kept, ...lost.filter((one) => one.partition === partition), ...mine.slice(kept.length)]
      })
  }
}
