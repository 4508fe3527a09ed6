import { z } from 'zod'
import { commonEnv, flag, natsEnv, port, readConfig, redisEnv } from '../streams/platform/config.ts'

const shape = {
  ...commonEnv,
  ...natsEnv,
  ...redisEnv,
  PORT: port.default(3010),
  /** As role orch_svc. */
  DATABASE_URL: z.string(),
  /** As role orch_relay. */
  RELAY_DATABASE_URL: z.string(),
  JWT_JWKS_URL: z.url().default('https://auth.ghasi.io/.well-known/jwks.json'),
  JWT_ISSUER: z.string().default('https://auth.ghasi.io'),
  JWT_AUDIENCE: z.string().default('ghasi-platform'),
  /** `tid` is looked at when a token lacks this claim. */
  JWT_TENANT_CLAIM: z.string().default('tenant_id'),
  /** [FL1] */
  SUBMIT_API_ENABLED: flag.default(false),
}

export type ApiConfig = ReturnType<typeof readApiConfig>

/** @throws ConfigError that names every faulty variable. */
export const readApiConfig = (env?: Readonly<Record<string, string | undefined>>) => readConfig(shape, env)
