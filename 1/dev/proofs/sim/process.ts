import type { InboundOptions } from '../../../bridges/nats/inbound/inbound.ts'
import type { Publisher } from '../../../bridges/nats/outbound/publish.ts'
import type { Lookup } from '../../../streams/contracts/question.ts'
import type { Topology } from '../../../streams/dsl/topology.ts'
import type { MemoryClient } from '../../../streams/log/memory/client.ts'
import { LogError, partitionKey, type LogClient, type LogConsumer } from '../../../streams/log/port.ts'
import type { Clock } from '../../../streams/runtime/clock.ts'
import { Prefetcher } from '../../../streams/runtime/task/prefetch.ts'
import type { StoreFactory } from '../../../streams/runtime/store/store.ts'
import type { StandbyLimits, TaskLimits } from '../../../streams/runtime/limits.ts'
import { PositionWatch } from '../../../streams/runtime/watch/position-watch.ts'
import { Worker } from '../../../streams/runtime/worker.ts'
import type { Dice } from './dice.ts'
import type { Disk, Turn } from './disk.ts'
import { historyHooks } from './history-hooks.ts'
import type { History } from './history.ts'
import type { RowLimits } from './row-limits.ts'
import type { Watched } from './order-watch.ts'
import type { VirtualTime } from './virtual-time.ts'
import { Committer, type CommitterOptions } from '../../../streams/runtime/commit/committer.ts'

export const APP = 'sim'
const WATCH_EVERY_MS = 1_000
/** Longer than the longest pause between two attempts. */
const STUCK_AFTER_MS = 20_000

/** How a defect is planted: around what the runtime is given, never inside it. */
export interface Plant {
  readonly log?: (
    log: LogClient,
    process: { readonly name: string; readonly topologies: readonly Topology[] },
  ) => LogClient
  /** What it breaks shows only where the log loses something, or bridges stand still for long. */
  readonly shows?: 'losses' | 'freezes'
  readonly stores?: (stores: StoreFactory) => StoreFactory
  readonly committer?: (options: CommitterOptions) => Committer
  readonly topologies?: (topologies: readonly Topology[], rows: RowLimits) => readonly Topology[]
  /** What a process of bridges is given. */
  readonly bridgeLog?: (log: LogClient) => LogClient
  readonly publisher?: (publisher: Publisher) => Publisher
  readonly reader?: (reader: ReaderOf) => ReaderOf
  /** The gateway is a model: its defects show that its invariants have teeth. */
  readonly gateway?: GatewayPlant
}

export interface GatewayPlant {
  readonly acknowledgesFirst?: true
  readonly forgetsJournal?: true
}

export type ReaderOf = NonNullable<InboundOptions['readerOf']>

export interface ProcessOptions {
  readonly name: string
  readonly client: MemoryClient
  readonly disk: Disk
  readonly topologies: readonly Topology[]
  readonly lookup: (process: Process) => Readonly<Record<string, Lookup>>
  readonly limits: TaskLimits
  readonly rows: RowLimits
  readonly standbys: StandbyLimits
  readonly time: VirtualTime
  readonly schedule: (task: () => void) => void
  readonly dice: Dice
  readonly history: History
  readonly watched: Watched
  readonly plant: Plant
  /** The process ended by itself. */
  readonly onEnded: (process: Process) => void
}

/**
 * One process of topologies as main.ts composes it, with a worker for each topology: the real
 * runtime, a simulated world.
 */
export class Process {
  readonly name: string
  /** By topology, as far as they have been opened. */
  readonly consumers = new Map<string, LogConsumer>()
  skewMs = 0
  #state: 'starting' | 'running' | 'closing' | 'dead' = 'starting'
  readonly #options: ProcessOptions
  readonly #workers: Worker[]
  readonly #watch: PositionWatch

  constructor(options: ProcessOptions) {
    this.name = options.name
    this.#options = options
    const stores = options.disk.stores(this.turn, (name) => this.#openedTwice(name))
    const { plant, topologies } = options
    const planted = (plant.topologies?.(topologies, options.rows) ?? topologies).map((one) =>
      options.watched.observed(one),
    )
    const observed = this.#observed(options.client)
    const log = plant.log?.(observed, { name: this.name, topologies: planted }) ?? observed
    const clock = this.clock
    const lookups = options.lookup(this)
    const prefetcher = new Prefetcher({ lookups, clock, inFlightMax: 16, deadlineMs: 2000 })
    const hooks = historyHooks(this.name, options.history)
    const { limits } = options
    const transactionalId = `${APP}.${this.name}`
    const committing = { log, transactionalId, clock, limits, hooks }
    const committer = plant.committer?.(committing) ?? new Committer(committing)
    this.#workers = planted.map(
      (topology) =>
        new Worker({
          app: APP,
          topology,
          log,
          stores: plant.stores?.(stores) ?? stores,
          prefetcher,
          clock,
          random: () => options.dice.next(),
          hooks,
          limits,
          committer,
          standbys: options.standbys,
          onFailed: (error) => this.#fail(error),
        }),
    )
    this.#watch = this.#watched(log)
  }

  get state() {
    return this.#state
  }

  get alive(): boolean {
    return this.#state !== 'dead'
  }

  #openedTwice(store: string): void {
    this.#options.history.violation(`${this.name} opens ${store}, which it has open`)
  }

  readonly turn: Turn = () =>
    new Promise((resolve) => {
      this.#options.schedule(() => {
        if (this.alive) resolve()
      })
    })

  readonly clock: Clock = {
    now: () => {
      const nowMs = this.#options.time.wallMs + this.skewMs
      this.#options.watched.read(nowMs)
      return nowMs
    },
    elapsed: () => this.#options.time.elapsedMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) return resolve()
        const done = (): void => {
          cancel()
          signal?.removeEventListener('abort', done)
          if (this.alive) resolve()
        }
        const cancel = this.#options.time.after(ms, done)
        signal?.addEventListener('abort', done)
      }),
  }

  say(text: string): void {
    this.#options.history.line(`${this.name} ${text}`)
  }

  start(): void {
    this.say('starts')
    void this.#start().catch((error: unknown) => this.#fail(error))
  }

  async #start(): Promise<void> {
    this.#watch.start()
    for (const worker of this.#workers) await worker.start()
    if (this.#state === 'starting') this.#state = 'running'
  }

  /** Dies in the middle of whatever it does. */
  crash(): void {
    if (!this.alive) return
    this.#state = 'dead'
    this.#options.client.crash()
  }

  /** An orderly stop, as on SIGTERM. */
  close(): void {
    if (this.#state === 'dead' || this.#state === 'closing') return
    this.#state = 'closing'
    void this.#close()
      .catch((error: unknown) =>
        this.#options.history.violation(`${this.name} does not close: ${String(error)}`),
      )
      .then(() => this.#end('closed'))
  }

  async #close(): Promise<void> {
    await this.#watch.close()
    for (const worker of this.#workers.toReversed()) {
      await worker.close()
      const left = worker.status().map(({ partition }) => `${worker.name}.${partition}`)
      if (left.length > 0)
        this.#options.history.violation(`${this.name} has closed and still runs ${left.join(' ')}`)
    }
    await this.#options.client.close()
  }

  /** Partitions of a topology whose task runs here. */
  running(topology: string): readonly number[] {
    const worker = this.#workers.find((candidate) => candidate.name === topology)
    const status = this.alive ? (worker?.status() ?? []) : []
    return status.filter((task) => task.state === 'running').map((task) => task.partition)
  }

  /** As main.ts: a process that has lost a consumer ends, and is started again. */
  #fail(error: unknown): void {
    if (!this.alive) return
    if (!(error instanceof LogError)) this.#options.history.violation(`${this.name} fails: ${String(error)}`)
    this.#end(`fails: ${String(error)}`)
  }

  #end(why: string): void {
    if (!this.alive) return
    this.#options.history.line(`${this.name} ${why}`)
    this.crash()
    this.#options.onEnded(this)
  }

  /**
   * Notes what goes over the wire, and keeps the consumers: sessions are the simulator's to end.
   */
  #observed(client: MemoryClient): LogClient {
    const { history } = this.#options
    return {
      ...client,
      consumer: (options) => {
        const topology = options.group.slice(APP.length + 1)
        const consumer = this.#options.watched.reading(topology, client.consumer(options))
        this.consumers.set(topology, consumer)
        return consumer
      },
      transactions: (options) => {
        const inner = client.transactions(options)
        const { transactionalId } = options
        return {
          fence: async () => {
            await inner.fence()
            history.line(`${this.name} fenced ${transactionalId}`)
          },
          commit: (batch) => {
            history.line(`${this.name} commits ${transactionalId} records ${batch.records.length}`)
            return inner.commit(batch)
          },
          close: () => inner.close(),
        }
      },
    }
  }

  /** What is slow, refused or away here gets on in the end: nobody may ever be called stuck. */
  #watched({ admin }: LogClient): PositionWatch {
    const { history } = this.#options
    return new PositionWatch({
      ...this.clock,
      admin,
      readers: this.#workers,
      everyMs: WATCH_EVERY_MS,
      stuckAfterMs: STUCK_AFTER_MS,
      hooks: {
        stuck: ({ reader, at, doing }, quietMs) =>
          history.violation(`${this.name} ${reader} ${partitionKey(at)} is stuck ${doing} for ${quietMs} ms`),
        moved: () => {},
        lag: () => {},
        unknown: () => {},
      },
    })
  }
}
