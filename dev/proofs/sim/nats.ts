import { headers as emptyHeaders, type MsgHdrs } from '@nats-io/transport-node'
import { PublishError } from '../../../bridges/nats/outbound/publish.ts'
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
        this.#giveUp(() => life.run(() => reject(new PublishError(stream, new Error(fault)))))
        return true
      }
      if (isSilent('publish_lost')) return
      if (isSilent('publish_late')) return this.#arriveLate(stream, message)
      schedule(() => {
        const acknowledged = this.#store(this.stream(stream), message)
        if (isSilent('publish_reply_lost')) return
        schedule(() => life.run(() => resolve(acknowledged)))
      })
    })
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

  /** A stream that knows the id takes nothing, and names the message that it has. */
  #store(stream: Stream, { subject, id, headers = emptyHeaders(), data }: Publishing): Acknowledged {
    const { wallMs } = this.#options.time
    const key = `${stream.name} ${id}`
    const known = this.#ids.get(key)
    if (known !== undefined && wallMs - known.atMs < DUPLICATE_WINDOW_MS)
      return { duplicate: true, sequence: known.sequence }
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
