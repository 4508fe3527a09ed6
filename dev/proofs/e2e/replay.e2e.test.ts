import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectKafka } from '../../../streams/log/kafka.ts'
import type { LogClient } from '../../../streams/log/port.ts'
import { runDemo } from '../demo/run.ts'
import { startPlatform, type Platform } from '../../local/platform.ts'
import type { ServiceName } from '../../local/services.ts'
import { resetGroup } from '../../stack/kafka-tools.ts'
import { startStack, type Stack } from '../../stack/stack.ts'
import { judgeDistinct, trafficAround } from './half-way.ts'
import { positionsOf, untilNoLag } from './lag.ts'
import { forgetMessageIds, messageIdsOf, witness, type Past, type Witnessed } from './traces.ts'

/**
 * [P1] to [P7]: an operator moves the cursors of any group back to the beginning, while traffic
 * flows.
 */
const GROUPS = {
  topologies: ['sms.outbound', 'sms.intake', 'sms.correlate', 'sms.segments', 'sms.quality'],
  bridges: ['sms.bridge-out'],
  sinks: ['sms.sink.orch', 'sms.sink.dlr', 'sms.sink.smpp', 'sms.sink.redis'],
} as const satisfies Partial<Record<ServiceName, readonly string[]>>
const ALL_GROUPS: readonly string[] = Object.values(GROUPS).flat()

let stack: Stack
let platform: Platform
let log: LogClient
let past: Past
let before: Witnessed
const abort = new AbortController()

async function traffic(messages: number, seed: number, inFlight: number) {
  const report = await runDemo(platform, {
    messages,
    seed,
    inFlight,
    kill: [],
    abort: abort.signal,
    table: false,
  })
  await untilNoLag(log, stack.kafkaBrokers, ALL_GROUPS)
  return report
}

beforeAll(async () => {
  stack = await startStack({ abort: abort.signal, env: {}, say: () => {} })
  platform = await startPlatform({ stack, abort: abort.signal, say: () => {} })
  log = connectKafka({ brokers: stack.kafkaBrokers.split(','), clientId: 'replay-test' })
}, 180_000)

afterAll(async () => {
  await log.close()
  await platform.close()
  await stack.stop()
}, 60_000)

const CLEAN = { accepted: 60, lost: 0, duplicatesAtOperator: 0, duplicatesInDoubt: 0, violations: [] }

/**
 * Stops the owner, moves the cursors of its groups to the beginning, and starts it again in the
 * middle of new traffic.
 */
async function replayed(owner: keyof typeof GROUPS, seed: number) {
  const service = platform.services.get(owner)
  if (service === undefined) throw new Error(`no service is called ${owner}`)
  await service.stop()
  for (const group of GROUPS[owner]) await rewind(group)
  await forgetMessageIds(platform)
  const going = traffic(60, seed, 2)
  await sleep(500)
  await service.start()
  const report = await going
  const { traces, repetitions, copies } = await witness(platform, log, past)
  const old = new Set(before.traces.submits)
  const submits = traces.submits.filter((submit) => old.has(submit))
  return { report, repetitions, copies, traces: { ...traces, submits } }
}

async function rewind(group: string): Promise<void> {
  await resetGroup(stack.kafkaBrokers, group)
  const positions = await positionsOf(stack.kafkaBrokers, group)
  if (positions.length === 0 || positions.some(({ next }) => next !== 0))
    throw new Error(`${group} is not at the beginning`)
}

describe('a group that is moved back to the beginning in the middle of traffic', () => {
  it('has a past with something of each kind, in which nothing is said twice', async () => {
    const report = await traffic(120, 21, 16)
    expect(report.violations).toEqual([])
    past = { untilMs: Date.now(), messageIds: await messageIdsOf(platform) }
    before = await witness(platform, log, past)
    const { tables } = before.traces
    for (const table of ['orch.sms_messages', 'dlr.segment_dlrs', 'dlr.orphan_dlrs'])
      expect(tables[table]).not.toEqual([])
    for (const stream of ['SMPP_OUTBOUND', 'BILLING_EVENTS', 'WEBHOOK_EVENTS'])
      expect(before.traces.nats[stream]).not.toEqual([])
    expect(before.repetitions).toEqual({ marked: 0, unmarked: [] })
  })

  it('[P1] [P2] [P3] [P4] the topologies say the same again, marked, and nothing is sent, billed or told as new', async () => {
    const { report, repetitions, copies, traces } = await replayed('topologies', 22)
    expect(report).toMatchObject(CLEAN)
    expect(traces).toEqual(before.traces)
    expect(repetitions.unmarked).toEqual([])
    expect(repetitions.marked).toBeGreaterThan(before.traces.submits.length)
    const billed = before.traces.nats['BILLING_EVENTS']?.length
    expect(copies).toMatchObject({
      SMPP_OUTBOUND: { marked: 0, unmarked: 0 },
      BILLING_EVENTS: { marked: billed, unmarked: 0 },
    })
    for (const { unmarked } of Object.values(copies)) expect(unmarked).toBe(0)
  })

  it('[P6] the sinks leave the same rows', async () => {
    const { report, traces } = await replayed('sinks', 23)
    expect(report).toMatchObject(CLEAN)
    expect(traces).toEqual(before.traces)
  })

  it('[P7] the bridge publishes no command again, and everything else under the same ids', async () => {
    const { report, copies, traces } = await replayed('bridges', 24)
    expect(report).toMatchObject(CLEAN)
    expect(traces).toEqual(before.traces)
    expect(copies['SMPP_OUTBOUND']).toEqual({ marked: 0, unmarked: 0 })
    expect(copies['BILLING_EVENTS']?.unmarked).toBe(before.traces.nats['BILLING_EVENTS']?.length)
  })

  it('brings messages that were half-way when all cursors moved to their one planned end', async () => {
    const owners = ['bridges', 'topologies', 'sinks'] as const
    const ended = await trafficAround(platform, {
      messages: 60,
      seed: 25,
      abort: abort.signal,
      meanwhile: async () => {
        for (const owner of owners) await platform.services.get(owner)?.stop()
        for (const group of ALL_GROUPS) await rewind(group)
        await Promise.all(owners.map(async (owner) => platform.services.get(owner)?.start()))
      },
    })
    await untilNoLag(log, stack.kafkaBrokers, ALL_GROUPS)
    expect(ended.accepted).toHaveLength(60)
    expect(ended.faults).toEqual([])
    const verdict = await judgeDistinct(platform, ended)
    expect(verdict).toMatchObject({ violations: [], lost: 0, duplicatesAtOperator: 0, duplicatesInDoubt: 0 })
    expect(verdict.repeated).toBeGreaterThan(0)
    const everything = { untilMs: Date.now(), messageIds: await messageIdsOf(platform) }
    const { repetitions, copies } = await witness(platform, log, everything)
    expect(repetitions.unmarked).toEqual([])
    expect(copies['SMPP_OUTBOUND']).toEqual({ marked: 0, unmarked: 0 })
  })
})
