import type { Pool } from 'pg'
import { partitionKey, type LogClient } from '../streams/log/port.ts'
import type { Readiness } from '../streams/platform/operations-server.ts'
import { within } from '../streams/platform/process.ts'
import type { Consumption } from '../streams/runtime/consume.ts'

const ANSWER_MS_MAX = 2_000

/**
 * Postgres and the log answer, and each partition held here can be read [H32]. Redis is only a
 * mirror and does not count.
 */
export function readiness(
  log: LogClient,
  topic: string,
  pools: Readonly<Record<string, Pool>>,
  running: readonly Pick<Consumption, 'failed'>[] = [],
): () => Promise<Readiness> {
  const checks: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['log', () => log.admin.partitions([topic])],
    ...Object.entries(pools).map(([name, pool]) => [name, () => pool.query('SELECT 1')] as const),
  ]
  return async () => {
    const answers = await Promise.all(
      checks.map(async ([name, check]) => [name, await answer(check)] as const),
    )
    const stopped = running.flatMap((one) => one.failed().map((at) => [partitionKey(at), 'stopped'] as const))
    const all = [...answers, ...stopped]
    return { ready: all.every(([, text]) => text === 'ok'), details: Object.fromEntries(all) }
  }
}

async function answer(check: () => Promise<unknown>): Promise<string> {
  try {
    await within(check(), ANSWER_MS_MAX)
    return 'ok'
  } catch (error) {
    return error instanceof Error ? error.name : 'error'
  }
}
