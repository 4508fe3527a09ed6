import type { SubmitResult } from '../../../streams/contracts/outbound.ts'
import { HOUR_MS } from './checks/ids.ts'
import type { VirtualTime } from './virtual-time.ts'

/** How far a segment is [S4]; one without an entry has not been sent. */
export type Progress =
  | { readonly state: 'submitting' }
  | { readonly state: 'result' | 'published'; readonly result: SubmitResult }

const LIFETIME_MS = 72 * HOUR_MS

/** The gateway's journal in Redis, which may be lost with it. */
export class Journal {
  readonly #time: VirtualTime
  readonly #entries = new Map<string, { readonly progress: Progress; readonly untilMs: number }>()

  constructor(time: VirtualTime) {
    this.#time = time
  }

  read(segment: string): Progress | undefined {
    const entry = this.#entries.get(segment)
    return entry !== undefined && this.#time.wallMs < entry.untilMs ? entry.progress : undefined
  }

  write(segment: string, progress: Progress): void {
    this.#entries.set(segment, { progress, untilMs: this.#time.wallMs + LIFETIME_MS })
  }

  lose(): void {
    this.#entries.clear()
  }
}
