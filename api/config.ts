import { isIPv4 } from 'node:net'
import { z } from 'zod'
import {
  commonEnv,
  ConfigError,
  flag,
  list,
  milliseconds,
  natsEnv,
  port,
  positive,
  readConfig,
  redisEnv,
} from '../streams/platform/config.ts'
import { SIGNING_ALGORITHMS } from './middleware/token.ts'

/** A bulk takes 16 places, and a tenant has half of all: with fewer none would ever be taken. */
const INFLIGHT_MIN = 32
/** As many as the digest has bytes. */
const GATEWAY_SECRET_CHARS_MIN = 32

const shape = {
  ...commonEnv,
  ...natsEnv,
  ...redisEnv,
  PORT: port.default(3010),
  /** As role orch_svc. */
  DATABASE_URL: z.string(),
  /** As role orch_relay. */
  RELAY_DATABASE_URL: z.string(),
  /** As role admin_svc. Absent: this process has no routes of administrators [H5], [H6]. */
  ADMIN_DATABASE_URL: z.string().optional(),
  JWT_JWKS_URL: z.url().default('https://auth.ghasi.io/.well-known/jwks.json'),
  JWT_ISSUER: z.string().default('https://auth.ghasi.io'),
  JWT_AUDIENCE: z.string().default('ghasi-platform'),
  /** `tid` is looked at when a token lacks this claim. */
  JWT_TENANT_CLAIM: z.string().default('tenant_id'),
  /** [ID11] */
  JWT_ALGORITHMS: list.pipe(z.array(z.enum(SIGNING_ALGORITHMS)).min(1)).default(['RS256']),
  /** [ID10] */
  AUTH_MODE: z.enum(['jwt', 'jwt+gateway']).default('jwt'),
  /** What the gateway signs with; two, separated by a comma, while it is exchanged. */
  GATEWAY_SECRET: list.pipe(z.array(z.string().min(GATEWAY_SECRET_CHARS_MIN)).min(1)).optional(),
  /** Requests in flight, of which one tenant may have half [ER19]. */
  INFLIGHT_MAX: positive.min(INFLIGHT_MIN).default(256),
  /** How long a stopping process serves on with a red readiness before it closes its port. */
  SHUTDOWN_GRACE_MS: milliseconds.max(20_000).default(5_000),
  /** [FL1] */
  SUBMIT_API_ENABLED: flag.default(false),
  /** [FL2] */
  SUBMIT_API_SHADOW: flag.default(false),
  /**
   * JSON with one or both of these two, as texts; read every two seconds, and stronger than they.
   */
  SUBMIT_FLAGS_FILE: z.string().optional(),
  /** [FL3] */
  METRIC_ALIASES: flag.default(true),
}

export type ApiConfig = ReturnType<typeof readApiConfig>

/** @throws ConfigError that names every faulty variable. */
export function readApiConfig(env?: Readonly<Record<string, string | undefined>>) {
  const config = readConfig(shape, env)
  if (config.AUTH_MODE === 'jwt+gateway' && config.GATEWAY_SECRET === undefined && !isLoopback(config.HOST))
    throw new ConfigError(
      'AUTH_MODE jwt+gateway needs GATEWAY_SECRET on any but a loopback HOST: ' +
        'without a proof everybody who reaches the port could name any tenant',
    )
  return config
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
