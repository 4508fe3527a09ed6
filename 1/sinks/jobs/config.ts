import { z } from 'zod'
import { commonEnv, milliseconds, port, readConfig } from '../../streams/platform/config.ts'
import { addressAs } from '../postgres/pool.ts'

const shape = {
  ...commonEnv,
  PORT: port.default(9467),
  DATABASE_URL: z.string().url(),
  /**
   * One address a role, with its password. Absent: DATABASE_URL as that role without a password,
   * which only a trusting cluster takes.
   */
  JOBS_MIGRATOR_URL: z.string().url().optional(),
  JOBS_RELAY_URL: z.string().url().optional(),
  JOBS_DLR_URL: z.string().url().optional(),
  JOBS_SMPP_URL: z.string().url().optional(),
  /** How often is looked for what is due. */
  JOBS_LOOK_MS: milliseconds.min(100).default(30_000),
}

/** The environment of the jobs, read once. Throws ConfigError with the names of what is wrong. */
export function jobsConfig(env?: Readonly<Record<string, string | undefined>>) {
  const given = readConfig(shape, env)
  const address = (own: string | undefined, role: string) => own ?? addressAs(given.DATABASE_URL, role)
  return {
    ...given,
    addresses: {
      migrator: address(given.JOBS_MIGRATOR_URL, 'migrator'),
      relay: address(given.JOBS_RELAY_URL, 'orch_relay'),
      dlr: address(given.JOBS_DLR_URL, 'dlr_svc'),
      smpp: address(given.JOBS_SMPP_URL, 'smpp_svc'),
    },
  }
}
