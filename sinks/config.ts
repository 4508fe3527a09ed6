import { z } from 'zod'
import { correlationEnv } from '../streams/contracts/correlation-hours.ts'
import {
  commonEnv,
  logEnv,
  milliseconds,
  port,
  positive,
  readConfig,
  redisEnv,
} from '../streams/platform/config.ts'
import { STUCK_AFTER_MS } from '../streams/runtime/watch/position-watch.ts'
import { addressAs } from './postgres/pool.ts'

const shape = {
  ...commonEnv,
  ...logEnv,
  ...redisEnv,
  ...correlationEnv,
  PORT: port.default(9466),
  DATABASE_URL: z.string().url(),
  /**
   * One address a role, with its password. Absent: DATABASE_URL as that role without a password,
   * which only a trusting cluster takes.
   */
  SINK_ORCH_URL: z.string().url().optional(),
  SINK_DLR_URL: z.string().url().optional(),
  SINK_SMPP_URL: z.string().url().optional(),
  /** Connections of each of the three pools. */
  SINK_POOL_MAX: z.coerce.number().int().min(5).max(20).default(10),
  /** Records in one SQL transaction at most. */
  SINK_BATCH_MAX: positive.max(5_000).default(500),
  /** A partition with records behind it that does not move for this long fails the health check. */
  STUCK_AFTER_MS: positive.default(STUCK_AFTER_MS),
  SINK_LAG_EVERY_MS: milliseconds.min(100).default(5_000),
}

/** The environment of the sinks, read once. Throws ConfigError with the names of what is wrong. */
export function sinksConfig(env?: Readonly<Record<string, string | undefined>>) {
  const given = readConfig(shape, env)
  const address = (own: string | undefined, role: string) => own ?? addressAs(given.DATABASE_URL, role)
  return {
    ...given,
    addresses: {
      orch: address(given.SINK_ORCH_URL, 'orch_sink'),
      dlr: address(given.SINK_DLR_URL, 'dlr_svc'),
      smpp: address(given.SINK_SMPP_URL, 'smpp_svc'),
    },
  }
}
export type SinksConfig = ReturnType<typeof sinksConfig>
