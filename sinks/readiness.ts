import type { Pool } from 'pg'
import type { LogClient } from '../streams/log/port.ts'
import type { Readiness } from '../streams/platform/operations-server.ts'
import { within } from '../streams/platform/process.ts'

const ANSWER_MS_MAX = 2_000

/** Postgres and the log answer [H32]. Redis is only a mirror and does not count. */
export function readiness(
  log: LogClient,
  topic: string,
  pools: Readonly<Record<string, Pool>>,
): () => Promise<Readiness> {
  const checks: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['log', () => log.admin.partitions([topic])],
    ...Object.entries(pools).map(([name, pool]) => [name, () => pool.query('SELECT 1')] as const),
  ]
  return async () => {
    const answers = await Promise.all(
      checks.map(async ([name, check]) => [name, await answer(check)] as const),
    )
    return { ready: answers.every(([, text]) => text === 'ok'), details: Object.fromEntries(answers) }
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
