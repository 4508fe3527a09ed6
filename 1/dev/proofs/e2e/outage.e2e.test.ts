import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startPlatform, type Platform } from '../../local/platform.ts'
import type { LocalServer } from '../../stack/local.ts'
import type { ServerName } from '../../stack/server-names.ts'
import { startStack, type Stack } from '../../stack/stack.ts'
import { judgeDistinct, trafficAround } from './half-way.ts'

/**
 * Servers that go away under the platform while messages are half-way, and come back later. No
 * service is started again.
 */
let stack: Stack
let platform: Platform
const abort = new AbortController()

beforeAll(async () => {
  stack = await startStack({ abort: abort.signal, env: {}, docker: 'never', say: () => {} })
  platform = await startPlatform({ stack, abort: abort.signal, say: () => {} })
}, 180_000)

afterAll(async () => {
  await platform.close()
  await stack.stop()
}, 60_000)

type Outage = (server: LocalServer, ms: number) => Promise<void>

const killed: Outage = async (server, ms) => {
  await server.crash()
  await sleep(ms)
  await server.start()
}

/**
 * What clients see of a broker behind a broken network. Not killed: when one Kafka 4.3.1 node comes
 * back from that, it may end a transaction that it had promised to commit without writing its
 * markers, and the partition shows nothing new any more.
 */
const frozen: Outage = async (server, ms) => {
  process.kill(server.pid(), 'SIGSTOP')
  await sleep(ms)
  process.kill(server.pid(), 'SIGCONT')
}

/**
 * The broker's outage is longer than every session, transaction and request of ours. The last
 * number is a seed.
 */
const OUTAGES: readonly (readonly [ServerName, string, Outage, number, number])[] = [
  ['nats', '[F4]', killed, 15_000, 40],
  ['kafka', '[F5]', frozen, 40_000, 41],
]

describe('a server that goes away in the middle of traffic and comes back', () => {
  it.each(OUTAGES)(
    '%s %s: everything goes on by itself, nothing lost, nothing twice',
    async (name, _, outage, ms, seed) => {
      const server = stack.local.get(name)
      if (server === undefined) throw new Error(`${name} is no child of this process`)
      const ended = await trafficAround(platform, {
        messages: 80,
        seed,
        abort: abort.signal,
        meanwhile: () => outage(server, ms),
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
    },
  )
})
