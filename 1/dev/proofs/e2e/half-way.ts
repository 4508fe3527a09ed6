import { setTimeout as sleep } from 'node:timers/promises'
import { baseline, collect, type Baseline } from '../demo/collect.ts'
import type { Evidence } from '../demo/evidence.ts'
import { judge, type Verdict } from '../demo/invariants.ts'
import { planMessages } from '../demo/plan.ts'
import { goalOf, reached, Watch, type Stage } from '../demo/progress.ts'
import { sendTraffic, type Accepted } from '../demo/traffic.ts'
import type { Platform } from '../../local/platform.ts'

/** Traffic during which something is done to messages that are half-way. */
export interface HalfWay {
  readonly messages: number
  readonly seed: number
  readonly abort: AbortSignal
  /** Called when half of the messages have been accepted, while the others follow. */
  readonly meanwhile: () => Promise<void>
}

export interface Ended {
  readonly accepted: readonly Accepted[]
  readonly faults: readonly string[]
  readonly before: Baseline
}

const IN_FLIGHT = 2
const LOOK_MS = 250
const WITHIN_MS = 90_000

/**
 * Resolves when every message has come to its end, or has had the time for it; the verdict names
 * what is missing.
 */
export async function trafficAround(platform: Platform, options: HalfWay): Promise<Ended> {
  const watch = new Watch(platform)
  try {
    const before = await baseline(platform)
    const start = await watch.stage()
    let count = 0
    const sending = sendTraffic({
      apiUrl: platform.apiUrl,
      identity: platform.identity,
      plan: planMessages(options.messages, options.seed),
      inFlight: IN_FLIGHT,
      abort: options.abort,
      onAccepted: (accepted) => (count = accepted),
    })
    while (count < options.messages / 2) await sleep(1)
    await options.meanwhile()
    const { accepted, faults } = await sending
    await untilReached(watch, goalOf(accepted, start))
    return { accepted, faults, before }
  } finally {
    await watch.close()
  }
}

async function untilReached(watch: Watch, goal: Stage): Promise<void> {
  const deadlineMs = Date.now() + WITHIN_MS
  while (!reached(await watch.stage(), goal) && Date.now() < deadlineMs) await sleep(LOOK_MS)
}

/**
 * The demonstration's own invariants over what is different on the topics. A group that was moved
 * back says the same again under the same ids, and every reader of the topics drops it by them.
 * That repetitions are marked is checked elsewhere (traces.ts).
 */
export async function judgeDistinct(
  platform: Platform,
  { accepted, before }: Ended,
): Promise<Verdict & { readonly repeated: number }> {
  const evidence = await collect(platform, accepted, before)
  const once: Evidence = {
    ...evidence,
    aggregated: distinct(evidence.aggregated),
    billing: distinct(evidence.billing),
    statuses: distinct(evidence.statuses),
    webhooks: distinct(evidence.webhooks),
  }
  const expectations = accepted.map(({ message, messageId }) => ({ message, messageId }))
  return { ...judge(expectations, once), repeated: evidence.statuses.length - once.statuses.length }
}

const distinct = <T extends { readonly eventId: string }>(events: readonly T[]): readonly T[] => [
  ...new Map(events.map((event) => [event.eventId, event])).values(),
]
