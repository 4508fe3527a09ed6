import type { MemoryLog } from '../../../streams/log/memory.ts'
import { changelogsOf, type Topology } from '../../../streams/dsl/topology.ts'
import { partitionKey, type TopicPartition } from '../../../streams/log/port.ts'
import { groupOf } from '../../../streams/runtime/task/names.ts'
import { DUPLICATE_WINDOW_MS } from '../../../streams/contracts/subjects.ts'
import { bridgeMarks } from '../../../streams/contracts/operators.ts'
import { COMMAND_TOPIC } from '../../../bridges/nats/outbound/event.ts'
import { OUTBOUND_GROUP } from '../../../bridges/nats/outbound/outbound.ts'
import type { BridgeHost, Bridges } from './bridges.ts'
import type { Dice } from './dice.ts'
import type { FaultPlan, MomentFault } from './faults.ts'
import { CLOCK_ERROR_MS_MAX, HOUR_MS, MINUTE_MS } from './checks/ids.ts'
import type { Gateway } from './gateway.ts'
import type { History } from './history.ts'
import type { Machine, Machines } from './machines.ts'
import type { SimNats } from './nats.ts'
import { APP } from './process.ts'
import type { Routing } from './routing.ts'
import type { VirtualTime } from './virtual-time.ts'

/** A run has its hours: receipts are late by those. */
const LONG_FREEZES_MAX = 4

/** How much likelier a fault is while a transaction is open. */
const WHILE_OPEN = 4

/** `delete.retention.ms`, and clocks that write tombstones too early. */
const TOMBSTONE_MS_MIN = 24 * HOUR_MS + CLOCK_ERROR_MS_MAX

export interface NemesisOptions {
  readonly plan: FaultPlan
  /** Whether faults may happen now. */
  readonly storm: { active: boolean }
  readonly dice: Dice
  readonly log: MemoryLog
  readonly machines: Machines
  readonly bridges: Bridges
  readonly gateway: Gateway
  readonly nats: SimNats
  readonly partitions: number
  readonly routing: Routing
  readonly time: VirtualTime
  readonly topologies: readonly Topology[]
  readonly history: History
}

/** Asked before every step of the run whether something bad happens now. */
export class Nemesis {
  readonly #options: NemesisOptions
  readonly #total: number
  readonly #leaderless: TopicPartition[] = []
  #longFreezes = 0

  constructor(options: NemesisOptions) {
    this.#options = options
    this.#total = [...options.plan.moments.values()].reduce((sum, rate) => sum + rate, 0)
  }

  tick(): void {
    const { dice, plan, history, machines } = this.#options
    if (!this.#options.storm.active || !dice.chance(this.#total * this.#weight())) return
    const kind = dice.pickByWeight([...plan.moments])
    const about = this.#strikes[kind](dice.pick(machines.all))
    if (about !== null) history.fault(kind, about)
  }

  /** The interesting moments are those in which something is half done; most steps are not. */
  #weight(): number {
    return this.#options.log.openTransactions().length > 0 ? WHILE_OPEN : 1
  }

  /** Faults end: clocks are set right, and whatever was cut off hears of it within its timeouts. */
  rest(): void {
    this.#options.storm.active = false
    for (const machine of this.#options.machines.all)
      if (machine.process !== undefined) machine.process.skewMs = 0
    this.#options.routing.heal()
    this.#options.bridges.goOn()
    for (const at of this.#leaderless.splice(0)) this.#options.log.lead(at, true)
  }

  /** Each answers what it struck at; null when there was nothing. */
  readonly #strikes: Readonly<Record<MomentFault, (machine: Machine) => string | null>> = {
    crash: (machine) => this.#crash(machine),
    store_lost: (machine) => this.#loseStores(machine),
    restart: (machine) => this.#restart(machine),
    zombie: (machine) => this.#expel(machine),
    rebalance: () => this.#rebalance(),
    compaction: () => this.#compact(),
    transaction_expired: () => this.#expireTransaction(),
    clock_forward: (machine) => this.#jumpClock(machine, this.#options.dice.int(1, CLOCK_ERROR_MS_MAX)),
    clock_back: (machine) => this.#jumpClock(machine, -this.#options.dice.int(1, CLOCK_ERROR_MS_MAX)),
    lookups_down: () => this.#options.routing.outage(this.#options.dice.int(100, 8000), 'down'),
    lookups_slow: () => this.#options.routing.outage(this.#options.dice.int(100, 8000), 'slow'),
    leaderless: () => this.#loseLeader(),
    bridge_crash: () => this.#ofBridge((host) => this.#options.bridges.crash(host)),
    bridge_restart: () => this.#ofBridge((host) => host.process?.close()),
    bridge_zombie: () => this.#ofBridge((host) => this.#options.bridges.expel(host)),
    bridge_frozen: () =>
      this.#ofBridge((host) => this.#options.bridges.freeze(host, this.#options.dice.int(100, 30_000))),
    gateway_crash: () => this.#options.gateway.crash(),
    journal_lost: () => this.#options.gateway.loseJournal(),
    durable_lost: () => this.#loseDurable(),
    bridge_frozen_long: () => this.#freezeLong(),
  }

  #ofBridge(strike: (host: BridgeHost) => void): string | null {
    const host = this.#options.dice.pick(this.#options.bridges.all)
    if (host.process?.alive !== true) return null
    strike(host)
    return host.process.name
  }

  /** Longer than NATS knows the ids of what it has: the clocks of all others go on. */
  #freezeLong(): string | null {
    const { bridges, dice, time } = this.#options
    if (this.#longFreezes >= LONG_FREEZES_MAX) return null
    return this.#ofBridge((host) => {
      const { process } = host
      const ms = dice.int(3000, 20_000)
      this.#longFreezes += 1
      bridges.freeze(host, ms)
      time.after(ms / 2, () => {
        if (process?.life.isStill === true) time.jump(DUPLICATE_WINDOW_MS + dice.int(0, 5 * MINUTE_MS))
      })
    })
  }

  #loseDurable(): string {
    // Not the person's who replays dead letters: that one reads for 30 days.
    const { durables } = this.#options.nats
    const durable = this.#options.dice.pick(durables.filter(({ stream }) => stream.name !== 'SMS_DLQ'))
    if (durable.stream.name === 'SMPP_OUTBOUND') this.#options.gateway.loseDurable(durable)
    else durable.lose(0)
    return durable.name
  }

  #loseLeader(): string {
    const { dice, log, topologies, partitions, time } = this.#options
    const topology = dice.pick(topologies)
    const topics = [...changelogsOf(topology), ...topology.inputs.map(({ name }) => name), COMMAND_TOPIC]
    const ofTasks = { topic: dice.pick(topics), partition: dice.int(0, partitions - 1) }
    const at = dice.chance(0.2) ? { topic: bridgeMarks.name, partition: 0 } : ofTasks
    log.lead(at, false)
    this.#leaderless.push(at)
    time.after(dice.int(100, 6000), () => log.lead(at, true))
    return partitionKey(at)
  }

  #rebalance(): string {
    const { dice, log, topologies } = this.#options
    const groups = [OUTBOUND_GROUP, ...topologies.map(({ name }) => groupOf(APP, name))]
    const group = dice.pick(groups)
    log.rebalance(group)
    return group
  }

  #compact(): string {
    const { dice, log, topologies, time } = this.#options
    const compacted = dice.pick([bridgeMarks.name, ...changelogsOf(dice.pick(topologies))])
    const below = dice.pick([Number.POSITIVE_INFINITY, dice.int(1, 50)])
    log.compact(compacted, { below, tombstonesSinceMs: time.wallMs - TOMBSTONE_MS_MIN })
    return compacted
  }

  #expireTransaction(): string | null {
    const { dice, log } = this.#options
    const open = log.openTransactions()
    if (open.length === 0) return null
    const { transactionalId } = dice.pick(open)
    log.expireTransaction(transactionalId)
    return transactionalId
  }

  #crash(machine: Machine): string | null {
    if (machine.process?.alive !== true) return null
    this.#options.machines.crash(machine)
    return machine.process.name
  }

  /** A machine that comes back without its disk, or without a part of it. */
  #loseStores(machine: Machine): string | null {
    if (machine.process?.alive === true) this.#options.machines.crash(machine)
    const { dice } = this.#options
    const lost = machine.disk.names.filter(() => dice.chance(0.6))
    for (const name of lost) machine.disk.lose(name)
    return `${machine.name} ${lost.join(' ')}`
  }

  #restart(machine: Machine): string | null {
    const { process } = machine
    if (process?.state !== 'running') return null
    process.close()
    // As runProcess: a process that cannot stop in time is stopped.
    this.#options.time.after(10_000, () => {
      if (process.alive) this.#options.machines.crash(machine)
    })
    return process.name
  }

  /** A member falls out of its group, if possible one that is in the middle of a transaction. */
  #expel(machine: Machine): string | null {
    const { dice, log, machines } = this.#options
    const writers = log.openTransactions().map(({ transactionalId }) => transactionalId)
    const busy = machines.all.find(({ process }) => writers.includes(`${APP}.${process?.name}`))
    const { process } = busy ?? machine
    const topology = dice.pick(this.#options.topologies).name
    const consumer = process?.alive === true ? process.consumers.get(topology) : undefined
    if (consumer === undefined) return null
    machines.expel(consumer)
    return `${process?.name} ${topology}`
  }

  #jumpClock(machine: Machine, ms: number): string | null {
    if (machine.process?.alive !== true) return null
    machine.process.skewMs = Math.max(
      -CLOCK_ERROR_MS_MAX,
      Math.min(CLOCK_ERROR_MS_MAX, machine.process.skewMs + ms),
    )
    return `${machine.process.name} ${machine.process.skewMs}`
  }
}
