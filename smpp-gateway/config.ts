import { z } from 'zod'
import { uuid } from '../streams/contracts/topic.ts'
import {
  commonEnv,
  jsonText,
  list,
  milliseconds,
  natsEnv,
  port,
  positive,
  readConfig,
  redisEnv,
} from '../streams/platform/config.ts'
import { TON_NPI_DEFAULT } from './submit/encode.ts'
import { isTimeZone } from './receipts/date.ts'
import { STATUS_CLASSES, type StatusOverrides } from './smpp/status-class.ts'

const octet = z.number().int().min(0).max(255)
const tonNpi = z.tuple([octet, octet])

const STATUS_CODE = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i
const statusOverrides = z
  .record(z.string().regex(STATUS_CODE, 'must be a status code such as "0x45"'), z.enum(STATUS_CLASSES))
  .transform(
    (given): StatusOverrides => new Map(Object.entries(given).map(([code, name]) => [Number(code), name])),
  )

const TonNpiSettings = z.strictObject({
  alphanumeric: tonNpi.default([...TON_NPI_DEFAULT.alphanumeric]),
  e164: tonNpi.default([...TON_NPI_DEFAULT.e164]),
  short_code: tonNpi.default([...TON_NPI_DEFAULT.short_code]),
  destination: tonNpi.default([...TON_NPI_DEFAULT.destination]),
})

const WINDOW_MAX = 1_000

/**
 * The options of one operator [PD2], as yet without charset, longMessage and tls. An unknown one is
 * a mistake.
 */
const OperatorSettings = z.strictObject({
  window: positive.max(WINDOW_MAX).default(10),
  failoverAfterMs: milliseconds.default(30_000),
  inDoubt: z.enum(['resubmit', 'drop']).default('resubmit'),
  refBits: z.union([z.literal(8), z.literal(16)]).default(8),
  statusOverrides: statusOverrides.default(new Map()),
  sendValidity: z.boolean().default(false),
  tonNpi: TonNpiSettings.default(TON_NPI_DEFAULT),
  timeZone: z.string().refine(isTimeZone, 'must be an IANA time zone').default('UTC'),
})
export type OperatorSettings = z.infer<typeof OperatorSettings>

export const operatorSettings = (given: z.input<typeof OperatorSettings> = {}): OperatorSettings =>
  OperatorSettings.parse(given)

/**
 * Durations in ms, so that a test may shrink them. The figures are those of [B3], [B5], [B8],
 * [B10], [B12], [B14], [B17], [CI5], [S5], [S7], [R6] and [SD1].
 */
export interface Timings {
  readonly connectMs: number
  readonly bindMs: number
  readonly responseMs: number
  readonly enquireLinkMs: number
  readonly enquireLinkTimeoutMs: number
  readonly reconnectFirstMs: number
  readonly reconnectMaxMs: number
  readonly credentialsMs: number
  readonly credentialsPollMs: number
  readonly heartbeatMs: number
  readonly leaseMs: number
  readonly leaseRenewMs: number
  readonly receiptAckMs: number
  readonly drainMs: number
  readonly unbindMs: number
  readonly workingMs: number
  /** Delay of a command that found no permit. */
  readonly throttledMs: number
}

export const TIMINGS: Timings = {
  connectMs: 10_000,
  bindMs: 10_000,
  responseMs: 30_000,
  enquireLinkMs: 30_000,
  enquireLinkTimeoutMs: 10_000,
  reconnectFirstMs: 5_000,
  reconnectMaxMs: 60_000,
  credentialsMs: 5_000,
  credentialsPollMs: 60_000,
  heartbeatMs: 10_000,
  leaseMs: 15_000,
  leaseRenewMs: 5_000,
  receiptAckMs: 5_000,
  drainMs: 30_000,
  unbindMs: 5_000,
  workingMs: 20_000,
  throttledMs: 500,
}

const environment = {
  ...commonEnv,
  ...natsEnv,
  ...redisEnv,
  OPERATOR_IDS: list.pipe(z.array(uuid).min(1)),
  OPERATOR_MGMT_URL: z.string().url(),
  INTERNAL_SERVICE_TOKEN: z.string().min(1),
  OPERATOR_OPTIONS: jsonText.pipe(z.record(uuid, OperatorSettings)).default({}),
  PORT: port.default(3001),
  ENQUIRE_LINK_MS: milliseconds.default(TIMINGS.enquireLinkMs),
  ENQUIRE_LINK_TIMEOUT_MS: milliseconds.default(TIMINGS.enquireLinkTimeoutMs),
  BIND_TIMEOUT_MS: milliseconds.default(TIMINGS.bindMs),
  RESPONSE_TIMEOUT_MS: milliseconds.default(TIMINGS.responseMs),
}
export type GatewayConfig = ReturnType<typeof readGatewayConfig>

/** The environment of [GE1]. */
export const readGatewayConfig = (env: Readonly<Record<string, string | undefined>> = process.env) =>
  readConfig(environment, env)

export const timingsOf = (config: GatewayConfig): Timings => ({
  ...TIMINGS,
  enquireLinkMs: config.ENQUIRE_LINK_MS,
  enquireLinkTimeoutMs: config.ENQUIRE_LINK_TIMEOUT_MS,
  bindMs: config.BIND_TIMEOUT_MS,
  responseMs: config.RESPONSE_TIMEOUT_MS,
})
