import type { MemoryLog } from '../../../streams/log/memory.ts'
import type { LogConsumer } from '../../../streams/log/port.ts'
import type { Dice } from './dice.ts'
import { Disk } from './disk.ts'
import type { History } from './history.ts'
import type { Process } from './process.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface Machine {
  readonly name: string
  readonly disk: Disk
  process: Process | undefined
}

export interface MachinesOptions {
  readonly log: MemoryLog
  readonly time: VirtualTime
  readonly dice: Dice
  readonly history: History
  readonly newProcess: (name: string, machine: Machine, onEnded: () => void) => Process
}

const TRANSACTION_CHECK_MS = 2000
const NAMES = ['a', 'b'] as const

/**
 * The machines and what watches over them: a supervisor that starts what has ended, sessions that
 * expire.
 */
export class Machines {
  readonly all: readonly Machine[] = NAMES.map((name) => ({ name, disk: new Disk(), process: undefined }))
  readonly #options: MachinesOptions
  #started = 0
  #held = false

  constructor(options: MachinesOptions) {
    this.#options = options
  }

  /**
   * The broker ends a transaction that stays open for too long, as that of a process that never
   * came back.
   */
  watchTransactions(timeoutMs: number, since: ReadonlyMap<string, number> = new Map()): void {
    const { log, time } = this.#options
    const open = new Map<string, number>()
    for (const { transactionalId, epoch } of log.openTransactions()) {
      const id = `${transactionalId} ${epoch}`
      const sinceMs = since.get(id) ?? time.elapsedMs
      if (time.elapsedMs - sinceMs < timeoutMs) open.set(id, sinceMs)
      else log.expireTransaction(transactionalId)
    }
    time.after(TRANSACTION_CHECK_MS, () => this.watchTransactions(timeoutMs, open))
  }

  start(machine: Machine): void {
    if (machine.process?.alive === true || this.#held) return
    this.#started += 1
    const name = `${machine.name}#${this.#started}`
    machine.process = this.#options.newProcess(name, machine, () => this.ended(machine))
    machine.process.start()
  }

  /** Stops every process in order and starts none until `release`. */
  hold(): void {
    this.#held = true
    for (const { process } of this.all) process?.close()
  }

  release(): void {
    this.#held = false
    for (const machine of this.all) this.start(machine)
  }

  crash(machine: Machine): void {
    machine.process?.crash()
    this.ended(machine)
  }

  /** The session expires before or after the successor has joined: both must be right. */
  ended(machine: Machine): void {
    const { time, dice, log } = this.#options
    time.after(dice.int(200, 8000), () => log.expireSessions())
    time.after(dice.int(50, 5000), () => this.start(machine))
  }

  /** The group goes on without this member, which works on until it hears of it. */
  expel(consumer: LogConsumer): void {
    const { time, dice, log } = this.#options
    log.expelMember(consumer)
    time.after(dice.int(20, 6000), () => log.noticeExpulsion(consumer))
  }

  /** Every task has exactly one process that runs it. */
  owners(topology: string, partition: number): readonly Machine[] {
    return this.all.filter((machine) => machine.process?.running(topology).includes(partition) === true)
  }
}
