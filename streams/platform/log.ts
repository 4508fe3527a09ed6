import { isSpanContextValid, trace } from '@opentelemetry/api'
import { pino, type DestinationStream } from 'pino'

/**
 * JSON on stdout. A line is an event name and fields from this allow-list, nothing else: no phone number, sender, body,
 * metadata, token or payload has a field to stand in (spec operations.md §4). As a last line of defence every digit run of
 * 8 to 15 in a text is masked.
 */
export interface LogFields {
  readonly messageId?: string | undefined
  readonly tenantId?: string | undefined
  readonly accountId?: string | undefined
  readonly operatorId?: string | undefined
  readonly operatorName?: string | undefined
  readonly operatorMessageId?: string | undefined
  readonly attempt?: number | undefined
  readonly stage?: string | undefined
  readonly dlrStatus?: string | undefined
  readonly status?: string | undefined
  readonly previousStatus?: string | undefined
  readonly durationMs?: number | undefined
  readonly reason?: string | undefined
  readonly paths?: readonly string[] | undefined
  readonly orphanId?: string | undefined
  readonly quarantineId?: string | undefined
  readonly receiptId?: string | undefined
  readonly received?: number | undefined
  readonly expected?: number | undefined
  readonly topology?: string | undefined
  readonly task?: string | undefined
  readonly topic?: string | undefined
  readonly partition?: number | undefined
  readonly offset?: number | undefined
  readonly group?: string | undefined
  readonly subject?: string | undefined
  readonly stream?: string | undefined
  readonly durable?: string | undefined
  readonly operation?: string | undefined
  readonly records?: number | undefined
  readonly remaining?: number | undefined
  readonly planId?: string | undefined
  readonly actor?: string | undefined
  readonly requestId?: string | undefined
  readonly route?: string | undefined
  readonly httpStatus?: number | undefined
  readonly code?: string | undefined
  readonly segmentIndex?: number | undefined
  readonly totalSegments?: number | undefined
  readonly commandStatus?: number | undefined
  readonly body_len?: number | undefined
  readonly to_hash?: string | undefined
  readonly address?: string | undefined
  readonly signal?: string | undefined
  /** Recorded as type and masked text; never with its stack, which may quote values. */
  readonly error?: unknown
}

export interface Log {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
}

export interface LogOptions {
  readonly service: string
  readonly level: string
  readonly destination?: DestinationStream
}

type Level = keyof Log

// Prefix of a message id in logs only (story DAT-10); on the wire it is bare.
const MESSAGE_PREFIX = 'msg_'

export function createLog(options: LogOptions): Log {
  const settings = {
    level: options.level,
    base: { service: options.service },
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
  }
  const logger = options.destination === undefined ? pino(settings) : pino(settings, options.destination)
  const at = (level: Level) => (event: string, fields?: LogFields) => {
    if (logger.isLevelEnabled(level)) logger[level]({ event, ...traced(), ...safe(fields) })
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** For tests and tools that want no output. */
export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

function traced(): { traceId: string; spanId: string } | undefined {
  const context = trace.getActiveSpan()?.spanContext()
  if (context === undefined || !isSpanContextValid(context)) return undefined
  return { traceId: context.traceId, spanId: context.spanId }
}

function safe(fields: LogFields = {}): Record<string, unknown> {
  const { error, messageId, ...rest } = fields
  const line: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(rest))
    line[name] = typeof value === 'string' ? maskText(name, value) : value
  if (messageId !== undefined) line['messageId'] = `${MESSAGE_PREFIX}${messageId}`
  if (error !== undefined) line['error'] = describeError(error)
  return line
}

/** Ids are opaque: a uuid or an operator's message id may well contain eight digits in a row. */
const OPAQUE = new Set([
  'tenantId',
  'accountId',
  'operatorId',
  'operatorMessageId',
  'orphanId',
  'quarantineId',
  'receiptId',
])
const ALSO_OPAQUE = new Set([
  'requestId',
  'to_hash',
  'planId',
  'task',
  'topic',
  'subject',
  'durable',
  'group',
])

const maskText = (name: string, text: string): string =>
  OPAQUE.has(name) || ALSO_OPAQUE.has(name) ? text : maskDigits(text)

export const maskDigits = (text: string): string => text.replace(/\+?\d{8,15}/g, '[masked]')

export function describeError(error: unknown): { type: string; message: string; code?: string } {
  if (!(error instanceof Error)) return { type: typeof error, message: maskDigits(String(error)) }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return { type: error.name, message: maskDigits(error.message), ...(code !== undefined && { code }) }
}
