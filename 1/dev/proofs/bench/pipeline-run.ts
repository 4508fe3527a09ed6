import { setTimeout as sleep } from 'node:timers/promises'
import type { Platform } from '../../local/platform.ts'
import { Watch } from '../demo/progress.ts'
import { sendTraffic, type TrafficResult } from '../demo/traffic.ts'
import { logSizes, type LogSizes } from './pipeline-appends.ts'
import { plainMessages } from './pipeline-messages.ts'
import { machineInstant, type MachineInstant } from './pipeline-machine.ts'

/** A fixed rate for a time, or so many messages as fast as the platform takes them. */
export type Load =
  | { readonly perSecond: number; readonly seconds: number }
  | { readonly perSecond: 'full'; readonly messages: number }

export interface RunOptions {
  readonly load: Load
  /** Sent before anything counts, as fast as they go: code gets compiled and caches get filled. */
  readonly warmUp: number
  /** Data folders of the brokers. */
  readonly logFolders: readonly string[]
  readonly abort: AbortSignal
}

export interface Instant {
  readonly machine: MachineInstant
  readonly log: LogSizes
}

export interface RunResult {
  readonly traffic: TrafficResult
  readonly before: Instant
  readonly after: Instant
}

const IN_FLIGHT = 32
/** Before the figures of a fixed rate begin: what is measured flows into the next as it began. */
const LEAD_SECONDS = 5
const LOOK_MS = 250
const STALLED_MS = 90_000

export async function runLoad(platform: Platform, options: RunOptions): Promise<RunResult> {
  const watch = new Watch(platform)
  const lane = new Lane(platform, watch, options.abort)
  try {
    await lane.send(options.warmUp)
    await lane.untilOutcomes()
    return await measured(lane, options)
  } finally {
    await watch.close()
  }
}

/**
 * At a fixed rate the interval lies within the traffic: what is under way at its start and at its
 * end is the same. At full speed it ends with the last outcome.
 */
async function measured(lane: Lane, { load, logFolders }: RunOptions): Promise<RunResult> {
  const instant = (): Instant => ({ machine: machineInstant(), log: logSizes(logFolders) })
  if (load.perSecond === 'full') {
    const before = instant()
    const traffic = await lane.send(load.messages)
    await lane.untilOutcomes()
    return { traffic, before, after: instant() }
  }
  const { perSecond, seconds } = load
  await lane.send(perSecond * LEAD_SECONDS, perSecond)
  const before = instant()
  const traffic = await lane.send(perSecond * seconds, perSecond)
  const after = instant()
  await lane.untilOutcomes()
  return { traffic, before, after }
}

/** One client of the platform, which never sends to one destination twice. */
class Lane {
  readonly #platform: Platform
  readonly #watch: Watch
  readonly #abort: AbortSignal
  #sent = 0

  constructor(platform: Platform, watch: Watch, abort: AbortSignal) {
    this.#platform = platform
    this.#watch = watch
    this.#abort = abort
  }

  async send(messages: number, perSecond?: number): Promise<TrafficResult> {
    const { apiUrl, identity } = this.#platform
    const plan = plainMessages(this.#sent, messages)
    this.#sent += plan.length
    const traffic = await sendTraffic({
      apiUrl,
      identity,
      plan,
      inFlight: IN_FLIGHT,
      abort: this.#abort,
      ...(perSecond !== undefined && { perSecond }),
      onAccepted: () => undefined,
    })
    this.#abort.throwIfAborted()
    if (traffic.faults.length > 0) throw new Error(`not all was accepted: ${traffic.faults[0]}`)
    return traffic
  }

  async untilOutcomes(): Promise<void> {
    for (let [seen, movedMs] = [-1, Date.now()]; ; ) {
      const { outcomes } = await this.#watch.stage()
      if (outcomes >= this.#sent) return
      this.#abort.throwIfAborted()
      if (outcomes !== seen) movedMs = Date.now()
      if (Date.now() - movedMs > STALLED_MS)
        throw new Error(`${this.#sent - outcomes} of ${this.#sent} messages got no outcome`)
      seen = outcomes
      await sleep(LOOK_MS)
    }
  }
}
