import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { OperatorHealth } from '../../../streams/contracts/operators.ts'
import { healthExample } from '../../../streams/contracts/examples.ts'
import { OperatorStates } from './health.ts'
import { RouteTable, type Route } from './routes.ts'
import { FaultScript } from './script.ts'
import { selectRoute, type RoutingState, type Selection } from './select.ts'

const A = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const B = '0b3bc664-d9fd-5e8c-93ae-346037be4cca'
const routes: readonly Route[] = [
  { prefix: '+44', operatorId: A, routeId: 'rt-44-a', backupOperatorId: B },
  { prefix: '+4477', operatorId: B, routeId: 'rt-4477-b' },
]

const newState = (): RoutingState => ({
  routes: new RouteTable(routes),
  states: new OperatorStates(),
  script: new FaultScript(),
})
const health = (operatorId: string, status: OperatorHealth['status'], second = 0): OperatorHealth => ({
  ...healthExample,
  operatorId,
  status,
  occurredAt: `2026-04-18T11:00:0${second}.000Z`,
})
const select = (state: RoutingState, to: string, messageId = 'm'): Selection =>
  selectRoute(state, { message_id: messageId, to })
const codeOf = (selection: Selection): string => (selection.ok ? 'OK' : selection.code)

test('the longest prefix wins', () => {
  expect(select(newState(), '+447700900123')).toMatchObject({
    response: { operator_id: B, route_id: 'rt-4477-b', backup_operator_id: '' },
  })
  expect(select(newState(), '+441632960000')).toMatchObject({
    response: {
      operator_id: A,
      route_id: 'rt-44-a',
      backup_operator_id: B,
      strategy: 'ROUTING_STRATEGY_PRIORITY',
    },
  })
})

test('longest-prefix match finds what a scan over all prefixes finds', () => {
  const digits = fc.stringMatching(/^[1-3]{0,5}$/)
  fc.assert(
    fc.property(
      fc.uniqueArray(digits, { maxLength: 30 }),
      fc.stringMatching(/^[1-3]{2,7}$/),
      (prefixes, number) => {
        const table = prefixes.map((prefix) => ({ prefix: `+${prefix}`, operatorId: A, routeId: prefix }))
        const longest = table
          .filter(({ prefix }) => `+${number}`.startsWith(prefix))
          .sort((one, other) => other.prefix.length - one.prefix.length)[0]
        expect(new RouteTable(table).find(`+${number}`)?.routeId).toBe(longest?.routeId)
      },
    ),
  )
})

test('ORC-4.5 a number without a route is NOT_FOUND and a malformed one INVALID_ARGUMENT', () => {
  expect(codeOf(select(newState(), '+15550100'))).toBe('NOT_FOUND')
  for (const malformed of ['', '447700900123', '+0447700900123', '+44 7700 900123', '+4477009001231234'])
    expect(codeOf(select(newState(), malformed))).toBe('INVALID_ARGUMENT')
})

test('the backup answers only while the first operator is UNBOUND and the backup is BOUND', () => {
  const operatorFor = (first?: OperatorHealth['status'], backup?: OperatorHealth['status']): unknown => {
    const state = newState()
    if (first !== undefined) state.states.learn(health(A, first))
    if (backup !== undefined) state.states.learn(health(B, backup))
    const selection = select(state, '+441632960000')
    return selection.ok ? selection.response.operator_id : undefined
  }
  expect(operatorFor('UNBOUND', 'BOUND')).toBe(B)
  expect(operatorFor('UNBOUND', undefined)).toBe(A)
  expect(operatorFor('UNBOUND', 'UNBOUND')).toBe(A)
  expect(operatorFor('FAILBACK', 'BOUND')).toBe(A)
  expect(operatorFor(undefined, 'BOUND')).toBe(A)
})

test('an older health event does not overwrite a newer one', () => {
  const states = new OperatorStates()
  states.learn(health(A, 'BOUND', 5))
  states.learn(health(A, 'UNBOUND', 4))
  expect(states.stateOf(A)).toBe('BOUND')
})

test('a counted fault ends after its calls, for each message by itself', () => {
  const state = newState()
  const codes = (messageId: string): readonly string[] =>
    [1, 2, 3, 4, 5].map(() => codeOf(select(state, '+447999041234', messageId)))
  const expected = ['UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE', 'OK']
  expect(codes('m1')).toEqual(expected)
  expect(codes('m2')).toEqual(expected)
})

test.each([
  ['+447999001000', 'NOT_FOUND'],
  ['+447999091000', 'UNAVAILABLE'],
  ['+447999201000', 'RESOURCE_EXHAUSTED'],
  ['+447999211000', 'INTERNAL'],
  ['+447999221000', 'UNKNOWN'],
  ['+447999231000', 'PERMISSION_DENIED'],
  ['+447999301000', 'INVALID_ARGUMENT'],
])('%s is scripted to answer %s', (to, code) => {
  expect(codeOf(select(newState(), to))).toBe(code)
})

test('slow answers and an empty operator are answers of the route', () => {
  expect(select(newState(), '+447999101000')).toMatchObject({ ok: true, delayMs: 1_000 })
  expect(select(newState(), '+447999501000')).toMatchObject({ ok: true, delayMs: 100 })
  expect(select(newState(), '+447999401000')).toMatchObject({ ok: true, response: { operator_id: '' } })
})
