import { setTimeout as sleep } from 'node:timers/promises'
import type { Platform } from '../../local/platform.ts'
import type { ServiceName } from '../../local/services.ts'
import { baseline, collect, type Baseline } from './collect.ts'
import type { Evidence } from './evidence.ts'
import { judge, type Verdict } from './invariants.ts'
import { percentiles, type Percentiles } from './percentiles.ts'
import { planMessages } from './plan.ts'
import { goalOf, HEADER, line, reached, Watch, type Stage } from './progress.ts'
import { sendTraffic, type Accepted, type TrafficResult } from './traffic.ts'

/**
 * One demonstration: traffic, kills on the way, the wait for every message's end, and the judgement
 * of the evidence.
 */
export interface DemoOptions {
  readonly messages: number
  readonly kill: readonly ServiceName[]
  readonly abort: AbortSignal
  /** Print the stages while they fill. */
  readonly table: boolean
  readonly seed?: number
  readonly inFlight?: number
}

export interface DemoReport {
  readonly submitted: number
  readonly accepted: number
  readonly replayed: number
  readonly segmentsSubmitted: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly billingEvents: number
  readonly webhookEvents: number
  readonly orphans: number
  readonly duplicatesAtOperator: number
  readonly duplicatesInDoubt: number
  readonly lost: number
  readonly killed: readonly string[]
  readonly violations: readonly string[]
  readonly seed: number
  readonly submitMs: number
  readonly elapsedMs: number
  readonly messagesPerSecond: number
  /**
   * Up to the moment at which NATS had stored 95 % of the outcomes: without the tail of scripted
   * retries.
   */
  readonly outcomesPerSecond: number
  readonly acceptToSentMs: Percentiles
  readonly receiptToOutcomeMs: Percentiles
}

const IN_FLIGHT = 32
const LOOK_MS = 250
const SHOW_MS = 1000
/**
 * Retries take 7 s, a correlation 6 s, a killed member's session 10 s: silence for longer than this
 * means stuck.
 */
const STALLED_MS = 90_000
const SETTLE_MS = 1500

export async function runDemo(platform: Platform, options: DemoOptions): Promise<DemoReport> {
  const seed = options.seed ?? 1
  const plan = planMessages(options.messages, seed)
  const watch = new Watch(platform)
  const progress = { accepted: 0 }
  try {
    const before = await baseline(platform)
    const start = await watch.stage()
    const kills = killInTurn(platform, options, progress)
    const shown = showStages(watch, options, progress)
    const traffic = await sendTraffic({
      apiUrl: platform.apiUrl,
      identity: platform.identity,
      plan,
      inFlight: options.inFlight ?? IN_FLIGHT,
      abort: options.abort,
      onAccepted: (count) => (progress.accepted = count),
    })
    const submitMs = Date.now() - traffic.startedMs
    const killed = await kills
    const endedMs = await untilEnd(watch, goalOf(traffic.accepted, start), options.abort)
    await shown.stop()
    const evidence = await settled(platform, traffic.accepted, watch, before)
    return report(traffic, evidence, { seed, killed, submitMs, elapsedMs: endedMs - traffic.startedMs })
  } finally {
    await watch.close()
  }
}

/**
 * Kills each service once, at even distances of the accepted count, and starts it again at once;
 * the next kill does not wait for that, so that several may be away together.
 */
async function killInTurn(
  platform: Platform,
  options: DemoOptions,
  progress: { accepted: number },
): Promise<string[]> {
  const starts: Promise<void>[] = []
  for (const [index, name] of options.kill.entries()) {
    const after = ((index + 1) * options.messages) / (options.kill.length + 1)
    while (progress.accepted < after && !options.abort.aborted) await sleep(20)
    if (options.abort.aborted) break
    if (options.table) console.error(`kill -9 ${name}`)
    starts.push(restart(platform, name))
  }
  await Promise.all(starts)
  return options.kill.slice(0, starts.length)
}

async function restart(platform: Platform, name: ServiceName): Promise<void> {
  const service = platform.services.get(name)
  await service?.crash()
  await service?.start()
}

function showStages(
  watch: Watch,
  options: DemoOptions,
  progress: { accepted: number },
): { stop(): Promise<void> } {
  if (!options.table) return { stop: () => Promise.resolve() }
  const startedMs = Date.now()
  const ended = new AbortController()
  const loop = async (): Promise<void> => {
    console.error(HEADER)
    while (!ended.signal.aborted && !options.abort.aborted) {
      console.error(line(Date.now() - startedMs, progress.accepted, await watch.stage()))
      await sleep(SHOW_MS, undefined, { signal: ended.signal }).catch(() => undefined)
    }
    console.error(line(Date.now() - startedMs, progress.accepted, await watch.stage()))
  }
  const done = loop()
  return {
    stop: async () => {
      ended.abort()
      await done
    },
  }
}

/**
 * Waits for the goal; gives up when nothing has moved for long, and lets the judgement name what is
 * missing.
 */
async function untilEnd(watch: Watch, goal: Stage, abort: AbortSignal): Promise<number> {
  let before: Stage | undefined
  let movedMs = Date.now()
  while (!abort.aborted) {
    const stage = await watch.stage()
    if (reached(stage, goal)) return Date.now()
    if (JSON.stringify(stage) !== JSON.stringify(before)) movedMs = Date.now()
    if (Date.now() - movedMs > STALLED_MS) return movedMs
    before = stage
    await sleep(LOOK_MS)
  }
  return Date.now()
}

/** Late duplicates, mirrors and outbox deletions trail the last outcome by a moment. */
async function settled(
  platform: Platform,
  accepted: readonly Accepted[],
  watch: Watch,
  before: Baseline,
): Promise<Evidence> {
  for (let look = 0; look < 40 && (await watch.outboxRows()) > 0; look += 1) await sleep(LOOK_MS)
  await sleep(SETTLE_MS)
  return collect(platform, accepted, before)
}

interface Measures {
  readonly seed: number
  readonly killed: readonly string[]
  readonly submitMs: number
  readonly elapsedMs: number
}

function report(traffic: TrafficResult, evidence: Evidence, measures: Measures): DemoReport {
  const expectations = traffic.accepted.map(({ message, messageId }) => ({ message, messageId }))
  const verdict: Verdict = judge(expectations, evidence)
  const outcomes: Record<string, number> = {}
  for (const row of evidence.rows) outcomes[row.status] = (outcomes[row.status] ?? 0) + 1
  return {
    submitted: traffic.accepted.length + traffic.replayed + traffic.faults.length,
    accepted: traffic.accepted.length,
    replayed: traffic.replayed,
    segmentsSubmitted: evidence.submits.filter((submit) => submit.accepted).length,
    outcomes,
    billingEvents: evidence.billing.length,
    webhookEvents: evidence.webhooks.length,
    orphans: evidence.orphanRows,
    duplicatesAtOperator: verdict.duplicatesAtOperator,
    duplicatesInDoubt: verdict.duplicatesInDoubt,
    lost: verdict.lost,
    killed: measures.killed,
    violations: [...traffic.faults, ...verdict.violations],
    seed: measures.seed,
    submitMs: measures.submitMs,
    elapsedMs: measures.elapsedMs,
    messagesPerSecond: Math.round((traffic.accepted.length * 1000) / Math.max(1, measures.elapsedMs)),
    outcomesPerSecond: outcomeRate(evidence, traffic.startedMs),
    acceptToSentMs: percentiles(acceptToSent(traffic.accepted, evidence)),
    receiptToOutcomeMs: percentiles(receiptToOutcome(evidence)),
  }
}

/**
 * From the API's acceptance to the moment at which NATS stored the command; retried routes
 * included.
 */
function acceptToSent(accepted: readonly Accepted[], { nats }: Evidence): number[] {
  const stored = new Map(nats.commands.map((command) => [command.messageId, command.storedMs]))
  return accepted.flatMap(({ messageId, enqueuedAt }) => {
    const storedMs = stored.get(messageId)
    return storedMs === undefined ? [] : [storedMs - Date.parse(enqueuedAt)]
  })
}

const MOST = 0.95

function outcomeRate({ webhooks, nats }: Evidence, startedMs: number): number {
  const outcomes = new Set(
    webhooks.filter((event) => event.dlrStatus !== 'UNKNOWN').map((event) => event.eventId),
  )
  const told = nats.webhooks.filter((event) => outcomes.has(event.eventId)).map((event) => event.storedMs)
  const most = Math.ceil(told.length * MOST)
  const lastMs = told.sort((a, b) => a - b)[most - 1]
  return lastMs === undefined ? 0 : Math.round((most * 1000) / (lastMs - startedMs))
}

/**
 * From the last receipt's arrival at the gateway to the moment at which NATS stored the outcome's
 * webhook.
 */
function receiptToOutcome({ webhooks, nats }: Evidence): number[] {
  const stored = new Map(nats.webhooks.map((event) => [event.eventId, event.storedMs]))
  return webhooks.flatMap(({ eventId, dlrStatus, lastReceiptMs }) => {
    const storedMs = stored.get(eventId)
    if (dlrStatus === 'UNKNOWN' || storedMs === undefined || lastReceiptMs === undefined) return []
    return [storedMs - lastReceiptMs]
  })
}
