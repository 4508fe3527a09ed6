import { bridgeInstruments } from '../../../bridges/instruments.ts'
import { mirrorInbound } from '../../../bridges/nats/inbound/inbound.ts'
import { INBOUND_ACK_WAIT_MS } from '../../../bridges/nats/durables.ts'
import { deadLetters } from '../../../bridges/nats/outbound/dead-letters.ts'
import { mirrorOutbound } from '../../../bridges/nats/outbound/mirrors.ts'
import type { Publisher } from '../../../bridges/nats/outbound/publish.ts'
import { INBOUND_DURABLES, type Mirror } from '../../../streams/contracts/subjects.ts'
import type { MemoryClient } from '../../../streams/log/memory/client.ts'
import {
  partitionKey,
  type LogClient,
  type LogConsumer,
  type TopicPartition,
} from '../../../streams/log/port.ts'
import type { Logger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import type { Standing } from '../../../streams/runtime/watch/position-watch.ts'
import type { NatsLink } from '../../../streams/nats/link.ts'
import type { Dice } from './dice.ts'
import { durableReader } from './durable.ts'
import type { History } from './history.ts'
import { Life } from './life.ts'
import type { SimNats } from './nats.ts'
import type { Plant } from './process.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Nobody reads the figures, and a registry for each of thousands of processes costs time. */
const INSTRUMENTS = bridgeInstruments(new Metrics(), () => true)
/** Publisher and reader stand in for what would use it. */
const NO_LINK: NatsLink = {
  connection: undefined,
  whenConnected: () => Promise.resolve(),
  close: () => Promise.resolve(),
}

const MIRRORED = [...INBOUND_DURABLES].filter(([durable]) => durable !== 'health-mirror')

export interface BridgeOptions {
  readonly name: string
  readonly client: MemoryClient
  readonly nats: SimNats
  readonly time: VirtualTime
  readonly dice: Dice
  readonly history: History
  readonly plant: Plant
  /** Messages that a durable may have on their way. */
  readonly ackPendingMax: number
  readonly onEnded: () => void
}

interface Closable {
  close(): Promise<void>
}

/** One process of bridges as main.ts composes it: the real bridges between two simulated worlds. */
export class BridgeProcess {
  readonly name: string
  readonly life: Life
  consumer: LogConsumer | undefined
  #state: 'running' | 'closing' | 'dead' = 'running'
  readonly #options: BridgeOptions
  readonly #mirrors: readonly Closable[]
  readonly #joined: () => boolean
  readonly #standings: () => readonly Standing[]
  #goOn = (): void => {}

  constructor(options: BridgeOptions) {
    this.name = options.name
    this.#options = options
    this.life = new Life(options.time)
    const { client, plant, time, dice, nats } = options
    const observed = this.#observed(client)
    const log = plant.bridgeLog?.(observed) ?? observed
    const writer = log.writer()
    const shared = {
      log,
      instruments: INSTRUMENTS,
      logger: this.#logger(),
      now: () => time.wallMs,
      sleep: this.life.sleep,
      random: () => dice.next(),
      deadLetters: deadLetters(log, writer, () => time.wallMs),
    }
    const inbound = MIRRORED.map(([name, mirrors]) => {
      const durable = nats.durable(mirrors[0]?.stream ?? '', {
        name,
        subjects: mirrors.map(({ subject }) => subject),
        ackWaitMs: INBOUND_ACK_WAIT_MS,
        maxAckPending: options.ackPendingMax,
      })
      const reader = plant.reader?.(durableReader(durable, this.life)) ?? durableReader(durable, this.life)
      return mirrorInbound({ ...shared, mirrors, linkOf: () => NO_LINK, pollMs: 1000, readerOf: reader })
    })
    const outbound = mirrorOutbound({
      ...shared,
      linkOf: () => NO_LINK,
      publisherOf: (mirror) => this.#publisher(mirror),
      publishedOf: ({ stream }) => nats.published(stream, this.life),
      onFailed: (error) => this.#end(`fails: ${String(error)}`),
    })
    this.#joined = () => outbound.isWell()
    this.#standings = () => outbound.standings()
    this.#mirrors = [...inbound, outbound, writer]
    this.say('starts')
  }

  get alive(): boolean {
    return this.#state !== 'dead'
  }

  /** It holds its place in the group and goes on. */
  get isUp(): boolean {
    return this.#state === 'running' && !this.life.isStill && this.#joined()
  }

  /** Whether this process has done everything below `end`. */
  hasDone(at: TopicPartition, end: number): boolean {
    return (
      this.alive &&
      this.#standings().some((one) => partitionKey(one.at) === partitionKey(at) && (one.next ?? 0) >= end)
    )
  }

  say(text: string): void {
    this.#options.history.line(`${this.name} ${text}`)
  }

  crash(): void {
    this.#state = 'dead'
    this.life.end()
    this.#options.client.crash()
  }

  /** Stands still without a word; the group goes on without it when its session has expired. */
  freeze(): void {
    if (this.life.isStill) return
    this.life.stand()
    const thaw = this.#options.client.freeze()
    this.#goOn = () => {
      thaw()
      this.life.goOn()
    }
  }

  goOn(): void {
    this.#goOn()
  }

  close(): void {
    if (this.#state !== 'running') return
    this.#state = 'closing'
    void Promise.all(this.#mirrors.map((mirror) => mirror.close()))
      .then(() => this.#options.client.close())
      .then(
        () => this.#end('closed'),
        (error: unknown) => this.#end(`does not close: ${String(error)}`),
      )
  }

  #end(why: string): void {
    if (!this.alive) return
    this.say(why)
    this.crash()
    this.#options.onEnded()
  }

  #publisher({ stream }: Mirror): Publisher {
    const { nats, plant } = this.#options
    const publisher: Publisher = {
      publish: async ({ messageId: id, payload: data, ...rest }, permit) => {
        permit()
        return { kind: 'stored', ...(await nats.publish(stream, { ...rest, id, data }, this.life)) }
      },
    }
    return plant.publisher?.(publisher) ?? publisher
  }

  #observed(client: MemoryClient): LogClient {
    return {
      ...client,
      consumer: (options) => {
        const consumer = client.consumer(options)
        this.consumer = consumer
        return consumer
      },
    }
  }

  #logger(): Logger {
    const { history } = this.#options
    const say: Logger['warn'] = (event, fields) =>
      history.line(`${this.name} ${event} ${fields?.error instanceof Error ? fields.error.message : ''}`)
    return { debug: () => {}, info: say, warn: say, error: say }
  }
}
