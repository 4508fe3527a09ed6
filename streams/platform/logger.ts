import { isSpanContextValid, trace } from '@opentelemetry/api'
import { pino, type DestinationStream } from 'pino'

/**
 * JSON on stdout. A line is an event name and fields from this allow-list, nothing else. So no
 * phone number, sender, body, metadata, token or payload has a field to stand in [LG3]. As a last
 * defence every digit run of 8 and more in a text is masked [LG4].
 */
export interface LogFields {
  /** Of what is told, where no span is active that says it. */
  readonly traceId?: string | undefined
  readonly spanId?: string | undefined
  readonly messageId?: string | undefined
  readonly tenantId?: string | undefined
  readonly accountId?: string | undefined
  readonly operatorId?: string | undefined
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
  readonly deadLetterId?: string | undefined
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
  readonly perSecond?: number | undefined
  readonly actor?: string | undefined
  readonly requestId?: string | undefined
  readonly code?: string | undefined
  readonly segmentIndex?: number | undefined
  readonly totalSegments?: number | undefined
  readonly commandStatus?: number | undefined
  readonly body_len?: number | undefined
  readonly address?: string | undefined
  readonly signal?: string | undefined
  /** A date, as in a daily report. */
  readonly day?: string | undefined
  /** Recorded as type and masked text; never with its stack, which may quote values. */
  readonly error?: unknown
}

export interface Logger {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
}

export interface LoggerOptions {
  readonly service: string
  readonly level: string
  readonly destination?: DestinationStream
}

type Level = keyof Logger

// Prefix of a message id in logs only [W20]; on the wire it is bare.
const MESSAGE_PREFIX = 'msg_'

export function createLogger(options: LoggerOptions): Logger {
  const settings = {
    level: options.level,
    base: { service: options.service },
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
  }
  const logger = pino(settings, options.destination ?? standardOutput())
  const at = (level: Level) => (event: string, fields?: LogFields) => {
    if (logger.isLevelEnabled(level)) logger[level]({ event, ...traced(), ...safe(fields) })
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/**
 * Lines are written behind the work, so a slow reader of stdout holds nobody up. What waits for it
 * is bounded: beyond that lines are dropped rather than the process.
 */
const standardOutput = (): DestinationStream =>
  pino.destination({ dest: 1, sync: false, maxLength: WAITING_BYTES_MAX })

const WAITING_BYTES_MAX = 16 * 1024 * 1024

/** For tests and tools that want no output. */
export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

function traced(): { traceId: string; spanId: string } | undefined {
  const context = trace.getActiveSpan()?.spanContext()
  if (context === undefined || !isSpanContextValid(context)) return undefined
  return { traceId: context.traceId, spanId: context.spanId }
}

/**
 * The same list at run time, since an object may carry more than its type says. `id`: opaque and
 * kept, since a uuid or an operator's message id may well contain eight digits in a row; whoever
 * logs an operator's id masks the phone numbers in it [LG5]. `text`: masked. `figure`: a number.
 */
const FIELDS: Readonly<Record<keyof LogFields, 'id' | 'text' | 'figure'>> = {
  traceId: 'id',
  spanId: 'id',
  messageId: 'id',
  tenantId: 'id',
  accountId: 'id',
  operatorId: 'id',
  operatorMessageId: 'id',
  attempt: 'figure',
  stage: 'text',
  dlrStatus: 'text',
  status: 'text',
  previousStatus: 'text',
  durationMs: 'figure',
  reason: 'text',
  paths: 'text',
  orphanId: 'id',
  quarantineId: 'id',
  deadLetterId: 'id',
  receiptId: 'id',
  received: 'figure',
  expected: 'figure',
  topology: 'text',
  task: 'id',
  topic: 'id',
  partition: 'figure',
  offset: 'figure',
  group: 'id',
  subject: 'id',
  stream: 'text',
  durable: 'id',
  operation: 'text',
  records: 'figure',
  remaining: 'figure',
  perSecond: 'figure',
  actor: 'text',
  requestId: 'id',
  code: 'text',
  segmentIndex: 'figure',
  totalSegments: 'figure',
  commandStatus: 'figure',
  body_len: 'figure',
  address: 'text',
  signal: 'text',
  day: 'text',
  error: 'text',
}
const FIELD_NAMES = new Map(Object.entries(FIELDS))

function safe(fields: LogFields = {}): Record<string, unknown> {
  const { error, messageId, ...rest } = fields
  const line: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(rest)) {
    const kind = FIELD_NAMES.get(name)
    if (kind !== undefined) line[name] = shown(kind === 'id', value)
  }
  if (messageId !== undefined) line['messageId'] = `${MESSAGE_PREFIX}${messageId}`
  if (error !== undefined) line['error'] = describeError(error)
  return line
}

function shown(isId: boolean, value: string | number | readonly string[] | undefined): unknown {
  if (typeof value === 'string') return isId ? value : maskDigits(value)
  return Array.isArray(value) ? value.map((part) => maskDigits(String(part))) : value
}

/** Longer runs are masked whole: what is left over of one would still be half a number. */
export const maskDigits = (text: string): string => text.replace(/\+?\d{8,}/g, '[masked]')

export function describeError(error: unknown): { type: string; message: string; code?: string } {
  if (!(error instanceof Error)) return { type: typeof error, message: describeThrown(error) }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return { type: error.name, message: maskDigits(error.message), ...(code !== undefined && { code }) }
}

/** What is no Error may turn into any text, or refuse to: only a text or a number is shown. */
const describeThrown = (thrown: unknown): string =>
  typeof thrown === 'string' || typeof thrown === 'number' ? maskDigits(String(thrown)) : 'no Error'
