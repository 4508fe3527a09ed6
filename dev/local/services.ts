import { join } from 'node:path'
import type { Stack } from '../stack/stack.ts'
import { accounts, credentials, operatorIds, operatorOptions, routes } from './operators.ts'
import type { ScriptSpec, ServiceSpec } from './service.ts'

/**
 * Every process of the local platform with its environment: production services as they are, and
 * the simulated neighbours.
 */
export const SERVICE_NAMES = [
  'operator-management',
  'smsc',
  'routing-engine',
  'topologies',
  'bridges',
  'sinks',
  'jobs',
  'gateway',
  'api',
] as const
export type ServiceName = (typeof SERVICE_NAMES)[number]

/** Services of which one may be killed during a demonstration. */
export const KILLABLE: readonly ServiceName[] = ['topologies', 'bridges', 'sinks', 'api', 'gateway']

export type Ports = Readonly<Record<ServiceName | 'smpp', number>>

export interface Surroundings {
  readonly stack: Stack
  readonly ports: Ports
  readonly runPath: string
  readonly jwksUrl: string
  readonly partitions: number
  /** Undefined: as in production. */
  readonly commitMs: number | undefined
}

const HOST = '127.0.0.1'
const TOKEN = 'local-service-token'
const healthUrl = (port: number): string => `http://${HOST}:${port}/health/ready`

/** Roles of [DB50] to [DB57]; the local cluster trusts them. */
function databaseAs(stack: Stack, role: string): string {
  const url = new URL(stack.databaseUrl)
  url.username = role
  url.password = ''
  return url.href
}

const logSettings = ({ partitions }: Surroundings): Record<string, string> => ({
  LOG_PARTITIONS: String(partitions),
  LOG_REPLICAS: '1',
  NATS_REPLICAS: '1',
})

/** What must have run before any service starts: tables, then topics, then streams and durables. */
export const preparations = (given: Surroundings): readonly ScriptSpec[] => [
  { name: 'migrate', script: 'sinks/migrate.ts', env: { ...given.stack.env } },
  {
    name: 'provision-log',
    script: 'topologies/provision.ts',
    env: { ...given.stack.env, ...logSettings(given) },
  },
  {
    name: 'provision-nats',
    script: 'bridges/provision.ts',
    env: {
      ...given.stack.env,
      ...logSettings(given),
      OPERATOR_IDS: operatorIds(),
      OPERATOR_OPTIONS: operatorOptions(),
    },
  },
]

export function services(given: Surroundings): Readonly<Record<ServiceName, ServiceSpec>> {
  const { ports } = given
  const spec = (name: ServiceName, script: string, env: Record<string, string>, readyPort = ports[name]) => ({
    name,
    script,
    env: { ...given.stack.env, ...logSettings(given), HOST, PORT: String(ports[name]), ...env },
    ready: { url: healthUrl(readyPort) },
  })
  return {
    'operator-management': spec('operator-management', 'dev/neighbours/operator-management/main.ts', {
      INTERNAL_SERVICE_TOKEN: TOKEN,
      OPERATORS: JSON.stringify(credentials(HOST, ports.smpp)),
    }),
    smsc: spec(
      'smsc',
      'dev/neighbours/smsc/main.ts',
      {
        PORT: String(ports.smpp),
        CONTROL_PORT: String(ports.smsc),
        OPERATORS: JSON.stringify(accounts()),
        LOG_FILE: join(given.runPath, 'smsc-journal.ndjson'),
      },
      ports.smsc,
    ),
    'routing-engine': {
      ...spec('routing-engine', 'dev/neighbours/routing-engine/main.ts', {
        ROUTES: JSON.stringify(routes()),
      }),
      ready: { port: ports['routing-engine'] },
    },
    topologies: spec('topologies', 'topologies/main.ts', topologiesEnv(given)),
    bridges: spec('bridges', 'bridges/main.ts', { OPERATOR_IDS: operatorIds() }),
    sinks: spec('sinks', 'sinks/main.ts', {}),
    jobs: spec('jobs', 'sinks/jobs/main.ts', {}),
    gateway: spec('gateway', 'smpp-gateway/main.ts', {
      OPERATOR_IDS: operatorIds(),
      OPERATOR_OPTIONS: operatorOptions(),
      OPERATOR_MGMT_URL: `http://${HOST}:${ports['operator-management']}`,
      INTERNAL_SERVICE_TOKEN: TOKEN,
    }),
    api: spec('api', 'api/main.ts', {
      DATABASE_URL: databaseAs(given.stack, 'orch_svc'),
      RELAY_DATABASE_URL: databaseAs(given.stack, 'orch_relay'),
      ADMIN_DATABASE_URL: databaseAs(given.stack, 'admin_svc'),
      JWT_JWKS_URL: given.jwksUrl,
      SUBMIT_API_ENABLED: 'true',
      SHUTDOWN_GRACE_MS: '0',
    }),
  }
}

const topologiesEnv = ({ runPath, ports, commitMs }: Surroundings): Record<string, string> => ({
  STATE_DIR: join(runPath, 'state'),
  ROUTING_ENGINE_URL: `${HOST}:${ports['routing-engine']}`,
  OPERATOR_OPTIONS: operatorOptions(),
  ...(commitMs !== undefined && { COMMIT_MS: String(commitMs) }),
  // Ten processes share a few cores here: 200 ms would measure the machine and not the routing
  // engine.
  ROUTING_DEADLINE_MS: '2000',
})
