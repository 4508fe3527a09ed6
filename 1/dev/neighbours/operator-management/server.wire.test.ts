import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Operator } from './operators.ts'
import { startOperatorManagement, type OperatorManagement } from './server.ts'

const operator: Operator = {
  operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
  host: 'smsc.example',
  port: 2775,
  systemId: 'ghasi',
  password: 'secret',
  systemType: '',
  tpsLimit: 100,
  bindMode: 'TRANSCEIVER',
  backupOperatorId: null,
  operatorName: 'Roshan-AF',
}
const OTHER = '0b3bc664-d9fd-5e8c-93ae-346037be4cca'

let server: OperatorManagement
beforeAll(async () => {
  server = await startOperatorManagement({
    host: '127.0.0.1',
    port: 0,
    token: 'token-1',
    operators: [operator],
  })
})
afterAll(async () => {
  await server.close()
})

const url = (path: string): string => `http://127.0.0.1:${server.port}${path}`
const ask = (operatorId: string, token = 'token-1'): Promise<Response> =>
  fetch(url(`/internal/operators/${operatorId}/smpp-credentials`), {
    headers: { authorization: `Bearer ${token}` },
  })
const put = (path: string, body: unknown): Promise<Response> =>
  fetch(url(path), { method: 'PUT', body: JSON.stringify(body) })

test('the credentials reply is the example of [CI6], byte for byte in its values', async () => {
  const before = server.repliesSent()
  const reply = await ask(operator.operatorId)
  expect(reply.status).toBe(200)
  expect(await reply.json()).toEqual(operator)
  expect(server.repliesSent()).toBe(before + 1)
})

test('a wrong token is refused and an unknown operator is not found', async () => {
  expect((await ask(operator.operatorId, 'other')).status).toBe(401)
  expect((await ask(OTHER)).status).toBe(404)
})

test('a changed password is handed out from the next question on, other fields stay', async () => {
  expect((await put(`/control/operators/${operator.operatorId}`, { password: 'new' })).status).toBe(200)
  expect(await (await ask(operator.operatorId)).json()).toEqual({ ...operator, password: 'new' })
})

test('a new operator needs all fields', async () => {
  expect((await put(`/control/operators/${OTHER}`, { host: 'x' })).status).toBe(400)
  expect((await put(`/control/operators/${OTHER}`, operator)).status).toBe(200)
  expect(await (await ask(OTHER)).json()).toEqual({ ...operator, operatorId: OTHER })
})

test('an outage answers 503 until it is switched off', async () => {
  await put('/control/outage', { outage: true })
  expect((await ask(operator.operatorId)).status).toBe(503)
  await put('/control/outage', { outage: false })
  expect((await ask(operator.operatorId)).status).toBe(200)
})
