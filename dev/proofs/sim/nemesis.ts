import type { MemoryLog } from '../../../streams/log/memory.ts'
import { changelogsOf, type Topology } from '../../../streams/dsl/topology.ts'
import { groupOf } from '../../../streams/runtime/task/names.ts'
import type { Dice } from './dice.ts'
import type { FaultPlan, MomentFault } from './faults.ts'
import { CLOCK_ERROR_MS_MAX } from './checks/ids.ts'
import type { History } from './history.ts'
import type { Machine, Machines } from './machines.ts'
import { APP } from './process.ts'
import type { Routing } from './routing.ts'
import type { VirtualTime } from './virtual-time.ts'

/** How much likelier a fault is while a transaction is open. */
const WHILE_OPEN = 4

export interface NemesisOptions {
  readonly plan: FaultPlan
  /** Whether faults may happen now. */
  readonly storm: { active: boolean }
  readonly dice: Dice
  readonly log: MemoryLog
  readonly machines: Machines
  readonly routing: Routing
  readonly time: VirtualTime
  readonly topologies: readonly Topology[]
  readonly history: History
}

/** Asked before every step of the run whether something bad happens now. */
export class Nemesis {
  readonly #options: NemesisOptions
  readonly #total: number

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
  }

  #rebalance(): string {
    const { dice, log, topologies } = this.#options
    const group = groupOf(APP, dice.pick(topologies).name)
    log.rebalance(group)
    return group
  }

  #compact(): string {
    const { dice, log, topologies } = this.#options
    const changelog = dice.pick(changelogsOf(dice.pick(topologies)))
    log.compact(changelog)
    return changelog
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
    const open = log.openTransactions().map(({ transactionalId }) => transactionalId.split('.'))
    const [, busy, partition] = open.length === 0 ? [] : dice.pick(open)
    const owner = busy === undefined ? undefined : machines.owners(busy, Number(partition))[0]
    const process = (owner ?? machine).process
    const topology = busy ?? dice.pick(this.#options.topologies).name
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
