import { z } from 'zod'
import { routingEnv } from '../bridges/routing/lookup.ts'
import { correlationEnv } from '../streams/contracts/correlation-hours.ts'
import { OperatorProfiles } from '../streams/contracts/operator-profile.ts'
import { uuid } from '../streams/contracts/topic.ts'
import { CANONICAL_ID_RULES } from '../streams/domain/receipt/canonical-id.ts'
import {
  commonEnv,
  jsonText,
  jsonTextOrFile,
  logEnv,
  milliseconds,
  natsEnv,
  port,
  positive,
  readConfig,
} from '../streams/platform/config.ts'
import { DEFAULT_LIMITS, STANDBY_REPLICAS_MAX } from '../streams/runtime/limits.ts'
import { STUCK_AFTER_MS } from '../streams/runtime/watch/position-watch.ts'

const environment = {
  ...commonEnv,
  ...logEnv,
  ...natsEnv,
  ...routingEnv,
  ...correlationEnv,
  PORT: port.default(9464),
  STATE_DIR: z.string().default('.state'),
  /** The profiles of the operators, the same as the gateway's: id rules and long messages [PD2]. */
  OPERATOR_OPTIONS: jsonTextOrFile.pipe(OperatorProfiles).default({}),
  /** The id rules alone [K2]; where an operator is in both, these win. */
  OPERATOR_ID_RULES: jsonText.pipe(z.record(uuid, z.array(z.enum(CANONICAL_ID_RULES)))).default({}),
  /** A partition with records behind it that does not move for this long fails the health check. */
  STUCK_AFTER_MS: positive.default(STUCK_AFTER_MS),
  COMMIT_MS: milliseconds.default(DEFAULT_LIMITS.commitMs),
  /**
   * Copies of each task's store that other processes keep, for a take-over without a restore. One
   * survives the loss of a process. Each costs every row a second write and place on another disk.
   * Without other processes none is kept.
   */
  STANDBY_REPLICAS: z.coerce.number().int().min(0).max(STANDBY_REPLICAS_MAX).default(1),
  /** [CI2]; a machine that is shared with everything else needs more. */
  ROUTING_DEADLINE_MS: positive.default(200),
  /** [O6]. */
  ROUTING_IN_FLIGHT: positive.default(16),
}

export const readTopologiesConfig = (env: Readonly<Record<string, string | undefined>> = process.env) =>
  readConfig(environment, env)

type RoutedConfig = Pick<
  ReturnType<typeof readTopologiesConfig>,
  'OPERATOR_OPTIONS' | 'OPERATOR_ID_RULES' | 'CORRELATION_HOURS'
>

/** How the topologies treat each operator, and how long they wait for all of them. */
export const operatorRulesOf = ({
  OPERATOR_OPTIONS: profiles,
  OPERATOR_ID_RULES: rules,
  CORRELATION_HOURS: correlationHours,
}: RoutedConfig) => ({
  correlationHours,
  rulesOf: (operatorId: string) => rules[operatorId] ?? profiles[operatorId]?.idRules ?? [],
  strategyOf: (operatorId: string) => profiles[operatorId]?.longMessage ?? 'CSMS',
  scopeOf: (operatorId: string) => profiles[operatorId]?.receiptScope ?? 'all',
})
