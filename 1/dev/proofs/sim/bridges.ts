import type { MemoryLog } from '../../../streams/log/memory.ts'
import type { BridgeProcess } from './bridge.ts'
import type { Dice } from './dice.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface BridgesOptions {
  readonly log: MemoryLog
  readonly time: VirtualTime
  readonly dice: Dice
  readonly newBridge: (name: string, onEnded: () => void) => BridgeProcess
}

export interface BridgeHost {
  readonly name: string
  process: BridgeProcess | undefined
}

/** Two hosts with a process of bridges each, and the supervisor that starts what has ended. */
export class Bridges {
  readonly all: readonly BridgeHost[] = ['c', 'd'].map((name) => ({ name, process: undefined }))
  readonly #options: BridgesOptions
  #started = 0
  #isHeld = false

  constructor(options: BridgesOptions) {
    this.#options = options
  }

  start(host: BridgeHost): void {
    if (host.process?.alive === true || this.#isHeld) return
    this.#started += 1
    host.process = this.#options.newBridge(`${host.name}#${this.#started}`, () => this.#ended(host))
  }

  crash(host: BridgeHost): void {
    host.process?.crash()
    this.#ended(host)
  }

  /** Its session expires while it stands still, or not before it goes on. */
  freeze(host: BridgeHost, ms: number): void {
    const { process } = host
    if (process === undefined) return
    const { time, dice } = this.#options
    process.freeze()
    if (dice.chance(0.7)) time.after(dice.int(0, ms), () => this.#expel(process))
    time.after(ms, () => {
      process.goOn()
      this.#notice(process)
    })
  }

  /** The group goes on without this member, which works on until it hears of it. */
  expel(host: BridgeHost): void {
    const { process } = host
    if (process === undefined) return
    this.#expel(process)
    const { time, dice } = this.#options
    time.after(dice.int(20, 6000), () => this.#notice(process))
  }

  goOn(): void {
    for (const { process } of this.all) {
      if (process?.life.isStill !== true) continue
      process.goOn()
      this.#notice(process)
    }
  }

  hold(): void {
    this.#isHeld = true
    for (const host of this.all) {
      const { process } = host
      process?.close()
      this.#options.time.after(15_000, () => {
        if (process?.alive === true) process.crash()
      })
    }
  }

  release(): void {
    this.#isHeld = false
    for (const host of this.all) this.start(host)
  }

  #expel(process: BridgeProcess): void {
    if (process.alive && process.consumer !== undefined) this.#options.log.expelMember(process.consumer)
  }

  /** By the answer to its heartbeat, which one that stands still does not send. */
  #notice(process: BridgeProcess): void {
    if (process.alive && !process.life.isStill && process.consumer !== undefined)
      this.#options.log.noticeExpulsion(process.consumer)
  }

  #ended(host: BridgeHost): void {
    const { time, dice, log } = this.#options
    time.after(dice.int(200, 8000), () => log.expireSessions())
    time.after(dice.int(50, 5000), () => this.start(host))
  }
}
