import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { z } from 'zod'

/**
 * The environment is read once per process, here, and handed down as typed values. An invalid
 * environment stops the start with every faulty variable named. Values are never printed: they may
 * be secrets. A blank variable counts as not given: read as a number it would be 0.
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

/**
 * JSON in the variable itself, or in the file that it names. JSON of an object begins with a brace
 * and a path does not.
 */
export const jsonTextOrFile = z
  .string()
  .transform((text, context): string => {
    if (text.trimStart().startsWith('{')) return text
    try {
      return readFileSync(text, 'utf8')
    } catch {
      context.addIssue({ code: 'custom', message: 'must be JSON of an object, or a file that can be read' })
      return z.NEVER
    }
  })
  .pipe(jsonText)

/** What every process takes. */
export const commonEnv = {
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.string().url().optional(),
  /** Address that health and metrics listen on; production containers set 0.0.0.0. */
  HOST: z.string().default('127.0.0.1'),
}

export const logEnv = {
  KAFKA_BROKERS: list.pipe(z.array(z.string()).min(1)),
  /** Partitions of a topic; scales the whole platform [EV3]. */
  LOG_PARTITIONS: positive.default(12),
  LOG_REPLICAS: positive.default(3),
  /** Whether brokers are spoken to with TLS only; the system's certificates are trusted [NU8]. */
  KAFKA_TLS: flag.default(false),
  /** Certificates to trust instead of the system's, PEM. */
  KAFKA_CA_FILE: z.string().optional(),
  /** Our own certificate and its key, PEM, for brokers that ask for one. */
  KAFKA_CERT_FILE: z.string().optional(),
  KAFKA_KEY_FILE: z.string().optional(),
  KAFKA_SASL_MECHANISM: z.enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']).optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD_FILE: z.string().optional(),
  /** How batches are packed; brokers keep them so, and every reader unpacks them (ADR 0031). */
  KAFKA_COMPRESSION: z.enum(['none', 'lz4']).default('none'),
}

/** What `logEnv` reads. */
export type LogConfig = z.infer<z.ZodObject<typeof logEnv>>

/**
 * Servers of a NATS address: one or several `nats://` or `tls://` URLs, separated by commas.
 *
 * @throws ConfigError without the address, which may hold a password.
 */
export const natsServersIn = (text: string): readonly URL[] =>
  text.split(',').map((part) => {
    const server = URL.canParse(part.trim()) ? new URL(part.trim()) : undefined
    if (server === undefined || server.host === '' || !['nats:', 'tls:'].includes(server.protocol))
      throw new ConfigError('a NATS address must be nats://host:port or tls://host:port')
    // Of an IP address the client library checks that the certificate is one for "localhost".
    if (server.protocol === 'tls:' && isIP(server.hostname.replace(/^\[|\]$/g, '')) !== 0)
      throw new ConfigError('tls:// needs the name of a host, by which its certificate is checked')
    return server
  })

export const natsUrl = z.string().superRefine((text, context) => {
  try {
    natsServersIn(text)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    context.addIssue({ code: 'custom', message: error.message })
  }
})

export const natsEnv = {
  NATS_URL: natsUrl.default('nats://localhost:4222'),
  /** File with the credentials of the process's user. */
  NATS_CREDS: z.string().optional(),
  /** Certificates to trust beside those of the system, PEM; for `tls://` addresses. */
  NATS_CA_FILE: z.string().optional(),
}

export const redisEnv = { REDIS_URL: z.string().default('redis://localhost:6379') }
