import { headers as emptyHeaders, type MsgHdrs } from '@nats-io/transport-node'
import { PublishError, SubjectMoved } from '../../../bridges/nats/outbound/publish.ts'
import type { PublishedCommands } from '../../../bridges/nats/outbound/published-commands.ts'
import { DUPLICATE_WINDOW_MS, STREAMS } from '../../../streams/contracts/subjects.ts'
import type { Dice } from './dice.ts'
import { Durable, type DurableOptions, type StoredMessage } from './durable.ts'
import type { EdgeFault, FaultPlan } from './faults.ts'
import type { History } from './history.ts'
import type { Life } from './life.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface Publishing {
  readonly subject: string
  readonly id: string
  readonly headers?: MsgHdrs
  readonly data: Buffer
  /** Only behind this message of its subject; 0: only as the first. Undefined: behind any. */
  readonly lastSequence?: number | undefined
}

export interface Acknowledged {
  readonly duplicate: boolean
  readonly sequence: number
}

export interface Stream {
  readonly name: string
  readonly maxAgeMs: number
  /** All that were ever stored; age only keeps them from readers. */
  readonly messages: StoredMessage[]
  readonly durables: Durable[]
}

export interface NatsOptions {
  readonly time: VirtualTime
  readonly schedule: (task: () => void) => void
  readonly dice: Dice
  readonly history: History
  readonly plan: FaultPlan
  readonly storm: { readonly active: boolean }
}

const SILENCE_MS_MAX = 2000
const LATE_MS_MAX = 20_000

/**
 * NATS JetStream as its users see it: streams that know an id for a while, pull durables that
 * deliver again what nobody acknowledges, requests that are lost, late, or answered in vain.
 */
export class SimNats {
  readonly #options: NatsOptions
  readonly #streams: ReadonlyMap<string, Stream>
  /** The last message with this id, by stream and id. */
  readonly #ids = new Map<string, { readonly atMs: number; readonly sequence: number }>()
  /** Publishes that will arrive although their sender has given them up. */
  late = 0

  constructor(options: NatsOptions) {
    this.#options = options
    this.#streams = new Map(
      STREAMS.map(({ name, maxAgeMs }) => [name, { name, maxAgeMs, messages: [], durables: [] }]),
    )
  }

  stream(name: string): Stream {
    const found = this.#streams.get(name)
    if (found === undefined) throw new Error(`there is no stream ${name}`)
    return found
  }

  get durables(): readonly Durable[] {
    return [...this.#streams.values()].flatMap(({ durables }) => durables)
  }

  /** Adds a durable, or finds the one of that name. */
  durable(stream: string, options: Omit<DurableOptions, 'stream'>): Durable {
    const to = this.stream(stream)
    const found = to.durables.find(({ name }) => name === options.name)
    if (found !== undefined) return found
    const durable = new Durable({ ...options, stream: to }, { ...this.#options, strikes: this.#strikes })
    to.durables.push(durable)
    return durable
  }

  /** Rejects with PublishError when nothing is known. */
  publish(stream: string, message: Publishing, life: Life): Promise<Acknowledged> {
    const { schedule } = this.#options
    return new Promise((resolve, reject) => {
      const isSilent = (fault: EdgeFault): boolean => {
        if (!this.#strikes(fault, message.id)) return false
        this.#giveUp(() => life.run(() => reject(new PublishError(stream, fault))))
        return true
      }
      if (isSilent('publish_lost')) return
      if (isSilent('publish_late')) return this.#arriveLate(stream, message)
      schedule(() => {
        const acknowledged = this.#store(this.stream(stream), message)
        if (isSilent('publish_reply_lost')) return
        schedule(() =>
          life.run(() =>
            acknowledged === null
              ? reject(new SubjectMoved(`${stream} holds more than was expected`))
              : resolve(acknowledged),
          ),
        )
      })
    })
  }

  /** What the stream tells about the commands that it holds. */
  published(stream: string, life: Life): PublishedCommands {
    const held = (subject: string) =>
      this.stream(stream).messages.filter((one) => one.subject === subject && !this.#hasExpired(stream, one))
    const ask = <T>(question: string, answer: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        if (this.#strikes('lookup_lost', question))
          return this.#giveUp(() => life.run(() => reject(new PublishError(stream, 'lookup_lost'))))
        this.#options.schedule(() => {
          const found = answer()
          this.#options.schedule(() => life.run(() => resolve(found)))
        })
      })
    return {
      last: (subject) => ask(subject, () => held(subject).at(-1)?.seq ?? 0),
      beyond: (subject, sequence) =>
        ask(subject, () => {
          const beyond = held(subject).filter(({ seq }) => seq > sequence)
          return new Map(beyond.map(({ id, seq }) => [id, seq]))
        }),
    }
  }

  #hasExpired(stream: string, { atMs }: StoredMessage): boolean {
    return this.#options.time.wallMs - atMs >= this.stream(stream).maxAgeMs
  }

  #giveUp(tell: () => void): void {
    const { time, dice } = this.#options
    time.after(dice.int(50, SILENCE_MS_MAX), tell)
  }

  #arriveLate(stream: string, message: Publishing): void {
    const { time, dice } = this.#options
    this.late += 1
    time.after(dice.int(1, LATE_MS_MAX), () => {
      this.late -= 1
      this.#store(this.stream(stream), message)
    })
  }

  /**
   * A stream that knows the id takes nothing, and names the message that it has. Null: it takes
   * nothing because its subject has moved.
   */
  #store(stream: Stream, publishing: Publishing): Acknowledged | null {
    const { subject, id, headers = emptyHeaders(), data, lastSequence } = publishing
    const { wallMs } = this.#options.time
    const key = `${stream.name} ${id}`
    const known = this.#ids.get(key)
    if (known !== undefined && wallMs - known.atMs < DUPLICATE_WINDOW_MS)
      return { duplicate: true, sequence: known.sequence }
    const last = stream.messages.findLast(
      (one) => one.subject === subject && !this.#hasExpired(stream.name, one),
    )
    if (lastSequence !== undefined && lastSequence !== (last?.seq ?? 0)) return null
    const seq = stream.messages.length + 1
    this.#ids.set(key, { atMs: wallMs, sequence: seq })
    stream.messages.push({ seq, subject, id, headers, data, atMs: wallMs })
    for (const durable of stream.durables) durable.pump()
    return { duplicate: false, sequence: seq }
  }

  readonly #strikes = (fault: EdgeFault, about: string): boolean => {
    const { storm, plan, dice, history } = this.#options
    if (!storm.active || !dice.chance(plan.edges.get(fault) ?? 0)) return false
    history.fault(fault, about)
    return true
  }
}
