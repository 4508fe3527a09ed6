import { describe, expect, test } from 'vitest'
import { routeFor } from '../../streams/contracts/lookups.ts'
import type { SelectRouteRequest, SelectRouteResult } from './client.ts'
import { lookupOver } from './lookup.ts'

const QUESTION = routeFor({
  messageId: 'm',
  tenantId: 't',
  accountId: 'a',
  to: '+447700900123',
  from: 'GHASI',
  messageType: 'FLASH_SMS',
})
const ROUTE: SelectRouteResult = {
  code: 'OK',
  reply: { operator_id: 'op-1', route_id: 'rt-1', backup_operator_id: '' },
}

/** Answers with each code in turn, the last one for ever. */
class ScriptedClient {
  readonly requests: SelectRouteRequest[] = []
  readonly #results: SelectRouteResult[]

  constructor(...results: readonly SelectRouteResult[]) {
    this.#results = [...results]
  }

  selectRoute(request: SelectRouteRequest): Promise<SelectRouteResult> {
    this.requests.push(request)
    const result = this.#results.length > 1 ? this.#results.shift() : this.#results[0]
    return Promise.resolve(result ?? { code: 'UNKNOWN' })
  }
}

const at = 5_000
const ask = (client: ScriptedClient) => lookupOver(client, { now: () => at })(QUESTION)

describe('the answer to a route question', () => {
  test('ORC-4.4 names message, tenant, account, numbers and type', async () => {
    const client = new ScriptedClient(ROUTE)
    await ask(client)
    expect(client.requests).toEqual([
      {
        message_id: 'm',
        tenant_id: 't',
        account_id: 'a',
        to: '+447700900123',
        from: 'GHASI',
        message_type: 'MESSAGE_TYPE_FLASH',
      },
    ])
  })

  test('OK is found, with a backup only when there is one', async () => {
    const backed = { ...ROUTE.reply, operator_id: 'op-1', route_id: 'rt-1', backup_operator_id: 'op-2' }
    expect(await ask(new ScriptedClient(ROUTE))).toEqual({
      kind: 'found',
      value: { operatorId: 'op-1', routeId: 'rt-1' },
      at,
    })
    expect(await ask(new ScriptedClient({ code: 'OK', reply: backed }))).toMatchObject({
      value: { backupOperatorId: 'op-2' },
    })
  })

  test('NOT_FOUND is absent, INVALID_ARGUMENT is refused, and neither is asked twice', async () => {
    const absent = new ScriptedClient({ code: 'NOT_FOUND' })
    const refused = new ScriptedClient({ code: 'INVALID_ARGUMENT' })
    expect(await ask(absent)).toEqual({ kind: 'absent', at })
    expect(await ask(refused)).toEqual({ kind: 'refused', reason: 'INVALID_ARGUMENT', at })
    expect([absent.requests.length, refused.requests.length]).toEqual([1, 1])
  })

  test('an OK without an operator is unavailable', async () => {
    const reply = { operator_id: '', route_id: 'rt-1', backup_operator_id: '' }
    const answer = await ask(new ScriptedClient({ code: 'OK', reply }))
    expect(answer).toEqual({ kind: 'unavailable', reason: 'EMPTY_OPERATOR', at })
  })

  test.each(['DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'INTERNAL', 'UNKNOWN', 'PERMISSION_DENIED'])(
    '%s is unavailable by its name, and asked once',
    async (code) => {
      const client = new ScriptedClient({ code })
      expect(await ask(client)).toEqual({ kind: 'unavailable', reason: code, at })
      expect(client.requests).toHaveLength(1)
    },
  )

  test('ORC-4.4 UNAVAILABLE is repeated once, at once', async () => {
    const once = new ScriptedClient({ code: 'UNAVAILABLE' }, ROUTE)
    expect(await ask(once)).toMatchObject({ kind: 'found' })
    const twice = new ScriptedClient({ code: 'UNAVAILABLE' })
    expect(await ask(twice)).toEqual({ kind: 'unavailable', reason: 'UNAVAILABLE', at })
    expect(twice.requests).toHaveLength(2)
  })

  test('[F8] with the circuit open nobody is asked', async () => {
    const client = new ScriptedClient({ code: 'UNAVAILABLE' })
    const lookup = lookupOver(client, { now: () => at })
    for (let n = 0; n < 10; n += 1) await lookup(QUESTION)
    expect(await lookup(QUESTION)).toEqual({ kind: 'unavailable', reason: 'circuit_open', at })
    expect(client.requests).toHaveLength(20)
  })

  test('answers that the engine gives, whatever they say, do not open the circuit', async () => {
    const client = new ScriptedClient({ code: 'NOT_FOUND' })
    const lookup = lookupOver(client, { now: () => at })
    for (let n = 0; n < 50; n += 1) await lookup(QUESTION)
    expect(client.requests).toHaveLength(50)
  })
})
