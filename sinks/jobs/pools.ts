import { openPool } from '../postgres/pool.ts'
import type { JobPools } from './schedule.ts'

/** One role, one address. */
export type JobAddresses = Readonly<Record<keyof JobPools, string>>

/**
 * A connection holds the row of the job, another does its work, and that twice: a long job runs
 * beside the others. A fifth answers the readiness.
 */
const CONNECTIONS_MAX = 5
/**
 * A statement of a job goes through months of rows, and nobody waits for it. Beyond this it is
 * stuck.
 */
const STATEMENT_MS_MAX = 15 * 60_000

export function openJobPools(
  addresses: JobAddresses,
  onIdleError: (role: string, error: Error) => void,
): JobPools {
  const open = (role: keyof JobPools) =>
    openPool({
      url: addresses[role],
      applicationName: `jobs-${role}`,
      connectionsMax: CONNECTIONS_MAX,
      statementMsMax: STATEMENT_MS_MAX,
      onIdleError: (error) => onIdleError(role, error),
    })
  return { migrator: open('migrator'), relay: open('relay'), dlr: open('dlr'), smpp: open('smpp') }
}

export const closeJobPools = async (pools: JobPools): Promise<void> => {
  await Promise.all(Object.values(pools).map((pool) => pool.end()))
}
