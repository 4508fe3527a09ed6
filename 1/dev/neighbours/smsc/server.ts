import { createServer, type Server, type Socket } from 'node:net'
import { Account } from './account.ts'
import { Centre } from './centre.ts'
import { serveControl } from './control.ts'
import { newCounters } from './counters.ts'
import { Faults, type FaultInput } from './faults.ts'
import { Journal, type Recorded } from './journal.ts'
import { DEFAULT_TIMING, SmscAccount, type SmscAccountChange, type Timing } from './options.ts'
import { Session } from './session.ts'
import type { Smsc, SmscCounters, SmscOptions } from './smsc.ts'

const SWEEP_MS = 1_000

/** Starts the simulated operator: SMPP and control port listen when the promise resolves. */
export async function startSmsc(options: SmscOptions): Promise<Smsc> {
  const smsc = new SmscServer(options)
  await smsc.listen(options)
  return smsc
}

class SmscServer implements Smsc {
  readonly #accounts: ReadonlyMap<string, Account>
  readonly #sessions = new Set<Session>()
  readonly #counters = newCounters()
  readonly #journal: Journal
  readonly #centre: Centre
  readonly #faults = new Faults()
  readonly #timing: Timing
  readonly #now: () => number
  readonly #server: Server
  #control: { readonly port: number; close(): Promise<void> } | undefined
  #sweeper: NodeJS.Timeout | undefined
  #paused = false
  #refuseUntilMs = 0
  #sessionNumber = 0

  constructor(options: SmscOptions) {
    this.#now = options.now ?? Date.now
    this.#timing = { ...DEFAULT_TIMING, ...options.timing }
    this.#journal = new Journal(this.#now, options.logFile)
    this.#faults.set(options.faults ?? [])
    const shared = { now: this.#now, timing: this.#timing, counters: this.#counters }
    const random = options.random ?? Math.random
    this.#centre = new Centre({ ...shared, random, journal: this.#journal })
    const context = { ...shared, isPaused: () => this.#paused }
    const settings = options.operators.map((operator) => SmscAccount.parse(operator))
    this.#accounts = new Map(settings.map((each) => [each.systemId, new Account(each, context)]))
    this.#server = createServer((socket) => this.#accept(socket))
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the SMPP port is not open')
    return address.port
  }

  get controlPort(): number {
    if (this.#control === undefined) throw new Error('the control port is not open')
    return this.#control.port
  }

  async listen({ host = '127.0.0.1', port = 0, controlPort = 0 }: SmscOptions): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, resolve)
    })
    this.#control = await serveControl(this, host, controlPort)
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS)
  }

  entries(since?: number, limit?: number): readonly Recorded[] {
    return this.#journal.entries(since, limit)
  }

  counters(): SmscCounters {
    let receiptsWaiting = 0
    for (const account of this.#accounts.values()) receiptsWaiting += account.receiptsWaiting
    return { ...this.#counters, sessions: this.#sessions.size, receiptsWaiting }
  }

  dropConnections(refuseMs = 0): void {
    this.#refuseUntilMs = this.#now() + refuseMs
    for (const session of this.#sessions) session.drop()
  }

  pause(): void {
    this.#paused = true
    for (const session of this.#sessions) session.pause()
  }

  resume(): void {
    this.#paused = false
    for (const session of this.#sessions) session.resume()
    for (const account of this.#accounts.values()) account.flush()
  }

  unbindAll(): void {
    for (const session of this.#sessions) session.unbind()
  }

  enquireAll(): void {
    for (const session of this.#sessions) session.enquire()
  }

  setFaults(faults: readonly FaultInput[]): void {
    this.#faults.set(faults)
  }

  setOperator(systemId: string, change: SmscAccountChange): boolean {
    const account = this.#accounts.get(systemId)
    account?.change(change)
    return account !== undefined
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    for (const session of this.#sessions) session.drop()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    await this.#control?.close()
    await this.#journal.close()
  }

  #accept(socket: Socket): void {
    if (this.#now() < this.#refuseUntilMs) {
      socket.destroy()
      return
    }
    this.#sessionNumber += 1
    const session = new Session(this.#sessionNumber, socket, {
      now: this.#now,
      timing: this.#timing,
      counters: this.#counters,
      journal: this.#journal,
      centre: this.#centre,
      faults: this.#faults,
      account: (systemId) => this.#accounts.get(systemId),
      onClose: (closed) => void this.#sessions.delete(closed),
    })
    this.#sessions.add(session)
    if (this.#paused) session.pause()
  }

  #sweep(): void {
    for (const session of this.#sessions) session.sweep()
  }
}
