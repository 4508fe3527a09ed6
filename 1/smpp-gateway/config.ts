import { z } from 'zod'
import {
  OperatorProfiles,
  operatorProfile,
  type OperatorProfile,
} from '../streams/contracts/operator-profile.ts'
import { uuid } from '../streams/contracts/topic.ts'
import {
  commonEnv,
  jsonTextOrFile,
  list,
  milliseconds,
  natsEnv,
  port,
  readConfig,
  redisEnv,
} from '../streams/platform/config.ts'

/** The profile of one operator, as the gateway sees it [PD2]. */
export type OperatorSettings = OperatorProfile

export const operatorSettings = operatorProfile

/**
 * Durations in ms, so that a test may shrink them. The figures are those of [B3], [B5], [B8],
 * [B10], [B12], [B14], [B17], [CI5], [S7], [ST2], [ST5], [R6] and [SD1].
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
  /** How long open responses may come when the operator wants the session to end. */
  readonly leaveMs: number
  readonly workingMs: number
  /** Delays before the tries after a status that nobody knows [ST2]. */
  readonly unknownRetriesMs: readonly number[]
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
  leaveMs: 5_000,
  workingMs: 20_000,
  unknownRetriesMs: [5_000, 30_000, 120_000],
}

const environment = {
  ...commonEnv,
  ...natsEnv,
  ...redisEnv,
  OPERATOR_IDS: list.pipe(z.array(uuid).min(1)),
  OPERATOR_MGMT_URL: z.string().url(),
  INTERNAL_SERVICE_TOKEN: z.string().min(1),
  OPERATOR_OPTIONS: jsonTextOrFile.pipe(OperatorProfiles).default({}),
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

/** The timers of one operator: its profile's, else those of the process. */
export const timingsFor = (timings: Timings, { timers }: OperatorSettings): Timings => ({
  ...timings,
  ...timers,
})
