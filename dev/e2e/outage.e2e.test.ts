import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectKafka } from '../../streams/log/kafka.ts'
import type { LogClient } from '../../streams/log/port.ts'
import { startPlatform, type Platform } from '../platform/platform.ts'
import type { ServerName } from '../stack/server-names.ts'
import { startStack, type Stack } from '../stack/stack.ts'
import { judgeDistinct, trafficAround } from './half-way.ts'
import { messageIdsOf, witness } from './traces.ts'

/** Servers that are killed under the platform while messages are half-way, and come back later. No service is started again. */
let stack: Stack
let platform: Platform
let log: LogClient
const abort = new AbortController()

beforeAll(async () => {
  stack = await startStack({ abort: abort.signal, env: {}, docker: 'never', say: () => {} })
  platform = await startPlatform({ stack, abort: abort.signal, say: () => {} })
  log = connectKafka({ brokers: stack.kafkaBrokers.split(','), clientId: 'outage-test' })
}, 180_000)

afterAll(async () => {
  await log.close()
  await platform.close()
  await stack.stop()
}, 60_000)

async function awayFor(name: ServerName, ms: number): Promise<void> {
  const server = stack.local.get(name)
  if (server === undefined) throw new Error(`${name} is no child of this process`)
  await server.crash()
  await sleep(ms)
  await server.start()
}

/** The broker's outage is longer than every session, transaction and request of ours. The last number is a seed. */
const OUTAGES: readonly (readonly [ServerName, string, number, number])[] = [
  ['nats', 'F4', 15_000, 40],
  ['kafka', 'F5', 40_000, 41],
]

describe('a server that is killed in the middle of traffic and comes back', () => {
  it.each(OUTAGES)(
    '%s (%s): after %i ms everything goes on by itself, nothing lost, nothing twice',
    async (name, _, ms, seed) => {
      const ended = await trafficAround(platform, {
        messages: 80,
        seed,
        abort: abort.signal,
        meanwhile: () => awayFor(name, ms),
      })
      expect(ended.accepted).toHaveLength(80)
      expect(ended.faults).toEqual([])
      const verdict = await judgeDistinct(platform, ended)
      expect(verdict).toMatchObject({
        violations: [],
        lost: 0,
        duplicatesAtOperator: 0,
        duplicatesInDoubt: 0,
      })
      const everything = { untilMs: Date.now(), messageIds: await messageIdsOf(platform) }
      expect((await witness(platform, log, everything)).repetitions.unmarked).toEqual([])
    },
  )
})
