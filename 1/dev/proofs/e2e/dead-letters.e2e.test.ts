import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { dispatchCommands, statusEvents } from '../../../streams/contracts/outbound.ts'
import { billingEvents } from '../../../streams/contracts/outcomes.ts'
import type { Topic } from '../../../streams/contracts/topic.ts'
import { connectKafka } from '../../../streams/log/kafka.ts'
import type { LogClient } from '../../../streams/log/port.ts'
import { committedRecords } from '../../committed-records.ts'
import { startPlatform, type Platform } from '../../local/platform.ts'
import { startStack, type Stack } from '../../stack/stack.ts'
import { SAMPLE_IDENTITY } from '../demo/traffic.ts'

/** A person at a shell, while the whole platform runs: [F8] and what is done about it [T12]. */
let stack: Stack
let platform: Platform
let sql: Pool
let log: LogClient
const abort = new AbortController()

beforeAll(async () => {
  stack = await startStack({ abort: abort.signal, env: {}, docker: 'never', say: () => {} })
  platform = await startPlatform({ stack, abort: abort.signal, say: () => {} })
  sql = new Pool({ connectionString: stack.databaseUrl, max: 2 })
  log = connectKafka({ brokers: stack.kafkaBrokers.split(','), clientId: 'e2e' })
}, 300_000)

afterAll(async () => {
  await log.close()
  await sql.end()
  await platform.close()
  await stack.stop()
}, 60_000)

const WITHIN_MS = 120_000

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + WITHIN_MS
  while (!(await isSo())) {
    if (Date.now() > deadlineMs) throw new Error('it did not come to that in time')
    await sleep(200)
  }
}

const run = promisify(execFile)
/** The tool as a person starts it. */
const sms = async (...args: readonly string[]): Promise<string> =>
  (
    await run(process.execPath, ['--import', 'tsx', 'topologies/sms.ts', ...args], {
      env: { ...process.env, ...stack.env },
    })
  ).stdout

const replay = (id: string, ...more: readonly string[]) =>
  sms('messages', 'dead', 'replay', id, '--reason', 'the engine is back', ...more)

async function submit(to: string): Promise<string> {
  const response = await fetch(`${platform.apiUrl}/v1/sms/send`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${await platform.identity.token(SAMPLE_IDENTITY)}`,
      'X-Tenant-Id': SAMPLE_IDENTITY.tenantId,
      'Content-Type': 'application/json',
    },
    body: JSON.stringify({ to, from: 'GHASI', body: 'Your code is 4711' }),
  })
  return z.object({ messageId: z.string() }).parse(await response.json()).messageId
}

const countOf = async (status: string): Promise<number> => {
  const { rows } = await sql.query('SELECT count(*)::int AS count FROM orch.sms_messages WHERE status = $1', [
    status,
  ])
  return z.object({ count: z.number() }).parse(rows[0]).count
}

async function valuesOf<V>(topic: Topic<V>): Promise<readonly V[]> {
  const values: V[] = []
  for (let partition = 0; partition < platform.partitions; partition++)
    for await (const { value } of committedRecords(log, { topic: topic.name, partition }))
      values.push(topic.schema.parse(JSON.parse(String(value))))
  return values
}

/**
 * Four attempts and the end; after the replay one, or up to three more where the engine is back and
 * the channel to it still rests between two attempts to connect (2 s at most).
 */
const RETRIED_REPLAYED_SENT = /^QUEUED( ROUTING){4} DEAD_LETTER( ROUTING){1,4} ROUTED SENT DELIVERED$/

const Dead = z.object({ deadLetterId: z.string(), messageId: z.string(), reason: z.string() })

describe('ORC-9.1 [F8] messages that were given up while the routing engine was away', () => {
  it('are listed, replayed by hand, delivered once and billed once, however often that is asked for', async () => {
    const engine = platform.services.get('routing-engine')
    await engine?.stop()
    const sent = await Promise.all(['+447700900111', '+447700900112'].map(submit))
    await until(async () => (await countOf('DEAD_LETTER')) === sent.length)
    await engine?.start()
    let dead: readonly z.infer<typeof Dead>[] = []
    await until(async () => {
      const lines = (await sms('messages', 'dead', 'list', '--open', '--json')).trim().split('\n')
      dead = lines.filter((line) => line !== '').map((line) => Dead.parse(JSON.parse(line)))
      return dead.length === sent.length
    })
    expect(dead.map(({ messageId }) => messageId).toSorted()).toEqual(sent.toSorted())
    expect(new Set(dead.map(({ reason }) => reason))).toEqual(new Set(['max_attempts']))

    for (const { deadLetterId } of dead) {
      expect(await replay(deadLetterId)).toMatch(/^replayed: /)
      expect(await replay(deadLetterId)).toMatch(/^already replayed /)
    }
    await until(async () => (await countOf('DELIVERED')) === sent.length)
    for (const { deadLetterId } of dead) {
      const refusal = await replay(deadLetterId, '--again').catch((error: unknown) => String(error))
      expect(refusal).toContain('Not replayed: an operator has accepted a segment of this message')
    }

    expect((await valuesOf(dispatchCommands)).map(({ messageId }) => messageId).toSorted()).toEqual(
      sent.toSorted(),
    )
    await until(async () => (await valuesOf(billingEvents)).length >= sent.length)
    expect((await valuesOf(billingEvents)).map(({ messageId }) => messageId).toSorted()).toEqual(
      sent.toSorted(),
    )
    const statuses = await valuesOf(statusEvents)
    for (const messageId of sent) {
      const history = statuses.filter((status) => status.messageId === messageId)
      expect(history.map(({ seq }) => seq)).toEqual(history.map((_, index) => index + 1))
      expect(history.map(({ newStatus }) => newStatus).join(' ')).toMatch(RETRIED_REPLAYED_SENT)
    }
    const { rows } = await sql.query('SELECT DISTINCT action, reason FROM orch.admin_actions')
    expect(rows).toEqual([{ action: 'deadletter.replay', reason: 'the engine is back' }])
  })

  it('and the jobs of the platform have run, as the tool says', async () => {
    await until(async () => !(await sms('jobs')).includes('OVERDUE'))
    expect(await sms('jobs', 'run', 'requeue')).toBe('requeue is done\n')
    expect(await sms('outbox', 'list')).toBe('')
  })
})
