import type { z } from 'zod'
import type { Operator } from '../neighbours/operator-management/operators.ts'
import type { Route } from '../neighbours/routing-engine/routes.ts'
import type { SmscAccountInput } from '../neighbours/smsc/options.ts'

/**
 * The operators of the local platform, all played by one simulated SMSC. A destination's prefix
 * chooses the operator, its last three digits what happens there (dev/neighbours/smsc/script.ts).
 */
export interface LocalOperator {
  readonly operatorId: string
  readonly operatorName: string
  readonly systemId: string
  readonly password: string
  readonly prefixes: readonly string[]
  /** Rules that bring the ids of responses and receipts together ([K2], [K3]). */
  readonly idRules: readonly string[]
}

export const LOCAL_OPERATORS: readonly LocalOperator[] = [
  {
    operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
    operatorName: 'Roshan-AF',
    systemId: 'ghasi-a',
    password: 'secret-a',
    prefixes: ['+447', '+9379'],
    idRules: ['lower'],
  },
  {
    // Answers submits with hexadecimal ids and reports them in decimal: every number of its prefix
    // must end in 914.
    operatorId: '0c0e6f0a-4b2f-4f0e-9d8e-3f1f5b1d2a44',
    operatorName: 'Hex-Mobile',
    systemId: 'ghasi-b',
    password: 'secret-b',
    prefixes: ['+9370'],
    idRules: ['hex2dec'],
  },
  {
    operatorId: '5a2f7f5e-5f6b-4d8c-8a56-7f9f5d0c9b13',
    operatorName: 'Etisalat-AF',
    systemId: 'ghasi-c',
    password: 'secret-c',
    prefixes: ['+9378'],
    idRules: ['exact'],
  },
]

const WINDOW = 50
const TPS_LIMIT = 5_000

export const routes = (): z.input<typeof Route>[] =>
  LOCAL_OPERATORS.flatMap(({ operatorId, prefixes }) =>
    prefixes.map((prefix) => ({ prefix, operatorId, routeId: `rt-${prefix.slice(1)}` })),
  )

export const accounts = (): SmscAccountInput[] =>
  LOCAL_OPERATORS.map(({ systemId, password }) => ({ systemId, password }))

export const credentials = (host: string, port: number): z.input<typeof Operator>[] =>
  LOCAL_OPERATORS.map(({ operatorId, operatorName, systemId, password }) => ({
    operatorId,
    operatorName,
    host,
    port,
    systemId,
    password,
    systemType: '',
    tpsLimit: TPS_LIMIT,
    bindMode: 'TRANSCEIVER',
    backupOperatorId: null,
  }))

export const operatorIds = (): string => LOCAL_OPERATORS.map(({ operatorId }) => operatorId).join(',')

export const operatorOptions = (): string =>
  JSON.stringify(
    Object.fromEntries(
      LOCAL_OPERATORS.map(({ operatorId, idRules }) => [operatorId, { window: WINDOW, idRules }]),
    ),
  )
