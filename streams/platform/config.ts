import { z } from 'zod'

/**
 * The environment is read once per process, here, and handed down as typed values. An invalid environment stops the start
 * with every faulty variable named; values are never printed, they may be secrets. A blank variable counts as not given: read
 * as a number it would be 0.
 */
export function readConfig<Shape extends z.ZodRawShape>(
  shape: Shape,
  env: Readonly<Record<string, string | undefined>> = process.env,
): z.infer<z.ZodObject<Shape>> {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''),
  )
  const checked = z.object(shape).safeParse(given)
  if (checked.success) return checked.data
  const faults = checked.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  throw new ConfigError(`environment is invalid: ${faults.join('; ')}`)
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

export const port = z.coerce.number().int().min(0).max(65_535)
export const milliseconds = z.coerce.number().int().min(0)
export const positive = z.coerce.number().int().min(1)
export const flag = z
  .enum(['true', 'false', '1', '0'])
  .transform((value) => value === 'true' || value === '1')
/** Comma-separated, no empty elements. */
export const list = z.string().transform((value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
)

/** JSON in one variable; the shape is for the caller to check. */
export const jsonText = z.string().transform((text, context): unknown => {
  try {
    const parsed: unknown = JSON.parse(text)
    return parsed
  } catch {
    context.addIssue({ code: 'custom', message: 'must be JSON' })
    return z.NEVER
  }
})

/** What every process takes. */
export const commonEnv = {
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.string().url().optional(),
  /** Address that health and metrics listen on; production containers set 0.0.0.0. */
  HOST: z.string().default('127.0.0.1'),
}

export const logEnv = {
  KAFKA_BROKERS: list.pipe(z.array(z.string()).min(1)),
  /** Partitions of a topic; scales the whole platform (spec events.md §1: 12). */
  LOG_PARTITIONS: positive.default(12),
  LOG_REPLICAS: positive.default(3),
}

export const natsEnv = {
  NATS_URL: z.string().default('nats://localhost:4222'),
  NATS_CREDS: z.string().optional(),
}

export const redisEnv = { REDIS_URL: z.string().default('redis://localhost:6379') }
