import type { MsgHdrs } from '@nats-io/transport-node'
import type { ReadingProgress } from '../../../streams/contracts/lookups.ts'
import type { Delivered, DurableReaderOptions } from '../../../bridges/nats/inbound/durable-reader.ts'
import type { Dice } from './dice.ts'
import type { EdgeFault } from './faults.ts'
import type { Life } from './life.ts'
import type { Stream } from './nats.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface StoredMessage {
  readonly seq: number
  readonly subject: string
  readonly id: string
  readonly headers: MsgHdrs
  readonly data: Buffer
  /** Wall clock. */
  readonly atMs: number
}

export interface DurableOptions {
  readonly stream: Stream
  readonly name: string
  readonly subjects: readonly string[]
  readonly ackWaitMs: number
  readonly maxAckPending: number
}

interface Ground {
  readonly time: VirtualTime
  readonly schedule: (task: () => void) => void
  readonly dice: Dice
  readonly strikes: (fault: EdgeFault, about: string) => boolean
}

export interface DurableUser {
  readonly life: Life
  readonly deliver: (message: Delivered, subject: string) => void
}

interface Pending {
  readonly message: StoredMessage
  cancel: () => void
}

/**
 * A pull durable with explicit acks: delivers in order, as many at a time as may be unacknowledged,
 * and again what was not acknowledged in time, to any of its users.
 */
export class Durable {
  readonly name: string
  readonly subjects: readonly string[]
  readonly stream: Stream
  readonly #options: DurableOptions
  readonly #ground: Ground
  readonly #users = new Set<DurableUser>()
  #pending = new Map<number, Pending>()
  /** Index of the first message that was never delivered. */
  #next = 0
  #generation = 0

  constructor(options: DurableOptions, ground: Ground) {
    this.name = options.name
    this.subjects = options.subjects
    this.stream = options.stream
    this.#options = options
    this.#ground = ground
  }

  attach(user: DurableUser): () => void {
    this.#users.add(user)
    this.pump()
    return () => this.#users.delete(user)
  }

  /** Messages that will come, for the first time or again. */
  get unsettled(): readonly StoredMessage[] {
    const pending = [...this.#pending.values()].map(({ message }) => message)
    return [...pending, ...this.stream.messages.slice(this.#next).filter((one) => this.#wants(one))]
  }

  /** As CONSUMER.INFO tells it; for streams with one subject. */
  progress(): ReadingProgress {
    const end = this.stream.messages.length
    return { ends: [end], read: [this.floor] }
  }

  /** All messages up to this one have been acknowledged, in sequences of the stream. */
  get floor(): number {
    return Math.min(...this.#pending.keys(), this.#next + 1) - 1
  }

  /** Somebody has deleted the durable, and it is made again: it goes on after `floor`. */
  lose(floor: number): void {
    for (const { cancel } of this.#pending.values()) cancel()
    this.#pending = new Map()
    this.#next = floor
    this.#generation += 1
    this.pump()
  }

  pump(): void {
    if (this.#reader() === undefined) return
    while (this.#pending.size < this.#options.maxAckPending) {
      const message = this.stream.messages[this.#next]
      if (message === undefined) return
      this.#next += 1
      if (this.#wants(message)) this.#deliver(message)
    }
  }

  #wants({ subject, atMs }: StoredMessage): boolean {
    return this.subjects.includes(subject) && this.#ground.time.wallMs - atMs < this.stream.maxAgeMs
  }

  #reader(): DurableUser | undefined {
    const users = [...this.#users].filter(({ life }) => !life.isOver)
    return users.length === 0 ? undefined : this.#ground.dice.pick(users)
  }

  #deliver(message: StoredMessage): void {
    const pending: Pending = { message, cancel: this.#await(message) }
    this.#pending.set(message.seq, pending)
    const user = this.#reader()
    if (user === undefined) return
    const delivered = this.#handed(pending, user.life)
    this.#ground.schedule(() => {
      if (this.#users.has(user)) user.life.run(() => user.deliver(delivered, message.subject))
    })
  }

  /** Delivers again, unless it is cancelled before. */
  #await(message: StoredMessage): () => void {
    return this.#ground.time.after(this.#options.ackWaitMs, () => {
      this.#pending.delete(message.seq)
      if (this.#wants(message)) this.#deliver(message)
    })
  }

  #handed(pending: Pending, life: Life): Delivered {
    const { seq, subject, headers, data, atMs } = pending.message
    const generation = this.#generation
    const isCurrent = (): boolean => generation === this.#generation && this.#pending.has(seq)
    return {
      seq,
      subject,
      headers,
      data,
      timestampNanos: BigInt(atMs) * 1_000_000n,
      ack: () => {
        if (life.isOver || this.#ground.strikes('ack_lost', `${this.name} ${seq}`)) return
        this.#ground.schedule(() => isCurrent() && this.#settle(seq))
      },
      working: () => {
        if (life.isOver || !isCurrent()) return
        this.#pending.get(seq)?.cancel()
        this.#pending.set(seq, { message: pending.message, cancel: this.#await(pending.message) })
      },
    }
  }

  #settle(seq: number): void {
    this.#pending.get(seq)?.cancel()
    this.#pending.delete(seq)
    this.pump()
  }
}

/** In the place of the bridge's own reader, which knows NATS. */
export function durableReader(durable: Durable, life: Life) {
  return ({ deliver }: Pick<DurableReaderOptions, 'deliver'>) => {
    let detach: (() => void) | undefined
    return {
      active: true,
      start: () => {
        detach = durable.attach({ life, deliver })
      },
      close: () => {
        detach?.()
        return Promise.resolve()
      },
    }
  }
}
