import type { Counters } from './counters.ts'
import type { FaultInput } from './faults.ts'
import type { Recorded } from './journal.ts'
import type { SmscAccountChange, SmscAccountInput, Timing } from './options.ts'

export interface SmscOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** SMPP; default 0, a free port. */
  readonly port?: number
  /** HTTP control; default 0, a free port. */
  readonly controlPort?: number
  readonly operators: readonly SmscAccountInput[]
  /** Appended to, one JSON entry a line. */
  readonly logFile?: string
  readonly timing?: Partial<Timing>
  readonly faults?: readonly FaultInput[]
  readonly now?: () => number
  readonly random?: () => number
}

export interface Smsc {
  readonly port: number
  readonly controlPort: number
  /** Entries after the seq `since`, oldest first. */
  entries(since?: number, limit?: number): readonly Recorded[]
  counters(): SmscCounters
  /** Cuts every connection; with `refuseMs`, new ones are cut at once for that long. */
  dropConnections(refuseMs?: number): void
  /** Reads and sends nothing until `resume`: the lines stay open and look dead. */
  pause(): void
  resume(): void
  /** Sends unbind on every session, as an operator does before maintenance. */
  unbindAll(): void
  /** Sends enquire_link on every session. */
  enquireAll(): void
  /** Misbehaves like this from now on; with none it behaves. Counting begins anew. */
  setFaults(faults: readonly FaultInput[]): void
  /** False for an unknown system_id. */
  setOperator(systemId: string, change: SmscAccountChange): boolean
  close(): Promise<void>
}

export interface SmscCounters extends Counters {
  /** Open connections, bound or not. */
  readonly sessions: number
  /** Receipts that no session could take so far. */
  readonly receiptsWaiting: number
}
