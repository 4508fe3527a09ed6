import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decode, encode } from '../../streams/contracts/decode.ts'
import { operatorHealth } from '../../streams/contracts/operators.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import { serveOperations } from '../../streams/platform/operations-server.ts'
import { phone, until } from '../testing/invented.suite.ts'
import { PASSWORD, Rig, TOKEN, type RunningGateway } from '../testing/rig.suite.ts'
import { withBackup } from '../testing/backup.suite.ts'
import { sessionsRoute } from '../sessions-route.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

async function serve({ gateway }: RunningGateway): Promise<string> {
  const server = await serveOperations({
    host: '127.0.0.1',
    port: 0,
    metrics: new Metrics(),
    ready: () => gateway.ready(),
    route: sessionsRoute({ operators: gateway.operators, token: TOKEN, newId: randomUUID }),
  })
  rig.onClose(() => server.close())
  return `http://127.0.0.1:${server.port}`
}

describe('CON-5.6 failover', () => {
  it('the backup carries the commands while the operator is down, and no longer than that', async () => {
    const { backupId, heard, own, other } = await withBackup(rig)
    const running = await rig.startGateway({
      operatorIds: [rig.operatorId, backupId],
      options: { [rig.operatorId]: { failoverAfterMs: 300 } },
    })
    await rig.bound(running)
    await rig.bound(running, backupId)
    own.dropConnections(60_000)
    const [state] = [() => running.gateway.operators.get(rig.operatorId)?.view.state]
    await until(() => state() === 'FAILBACK')
    const carried = await rig.send({ to: phone('000') })
    await until(() => heard.receipts.length === 1 && heard.results.length === 1)
    expect(heard.results).toMatchObject([
      { messageId: carried.messageId, operatorId: backupId, outcome: 'ACCEPTED' },
    ])
    expect(heard.receipts).toMatchObject([{ operatorId: backupId, messageId: carried.messageId }])
    // The backup goes too: pulling stops, commands wait.
    other.dropConnections(60_000)
    await until(() => state() === 'UNBOUND' || state() === 'CONNECTING')
    await rig.send({ to: phone('916') })
    own.dropConnections(0)
    await rig.bound(running)
    await until(() => heard.results.length === 2)
    expect(heard.results[1]?.operatorId).toBe(rig.operatorId)
    const told = heard.health
      .filter((health) => health.operatorId === rig.operatorId)
      .map((health) => health.status)
    expect(told).toEqual(['BOUND', 'UNBOUND', 'FAILBACK', 'UNBOUND', 'BOUND'])
  }, 40_000)
})

describe('[FO3] a backup that is lost', () => {
  it('leaves no command behind with a due time far away', async () => {
    const { backupId, heard, own, other } = await withBackup(rig, { tpsLimit: 20 })
    const running = await rig.startGateway({
      operatorIds: [rig.operatorId, backupId],
      options: { [rig.operatorId]: { failoverAfterMs: 100 } },
    })
    await rig.bound(running)
    await rig.bound(running, backupId)
    own.dropConnections(60_000)
    const state = () => running.gateway.operators.get(rig.operatorId)?.view.state
    await until(() => state() === 'FAILBACK', 20_000)
    await Promise.all(Array.from({ length: 1_000 }, () => rig.send({ to: phone('916') })))
    await until(() => other.counters().submits > 20, 20_000)
    other.dropConnections(60_000)
    await until(() => state() !== 'FAILBACK', 20_000)
    own.dropConnections(0)
    await rig.bound(running)
    await until(async () => (await rig.unacknowledged()) === 0, 40_000)
    expect(new Set(heard.results.map(({ messageId }) => messageId)).size).toBe(1_000)
  }, 90_000)
})

describe('CON-1.2 operator.health', () => {
  it('CON-3.3 fits its contract, changes in order, and beats while nothing changes', async () => {
    const { heard } = await rig.openAll({ timings: { heartbeatMs: 100 } })
    await until(() => heard.health.length >= 3)
    const topic = operatorHealth
    for (const event of heard.health) expect(decode(topic, Buffer.from(encode(event))).ok).toBe(true)
    expect(heard.health[0]).toMatchObject({ status: 'BOUND', previousStatus: null, operatorName: 'Test-OP' })
    expect(heard.health[1]).toMatchObject({ status: 'BOUND', previousStatus: 'BOUND', reason: 'heartbeat' })
  })
})

describe('CON-4.1 assignment', () => {
  it('works on the queue of its own operators only', async () => {
    const { smsc, heard } = await rig.openAll()
    const stranger = randomUUID()
    await rig.addDurable(stranger)
    await rig.send({ operatorId: stranger, to: phone('916') })
    await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 1)
    expect(await rig.unacknowledged(stranger)).toBe(1)
    expect(smsc.counters().submits).toBe(1)
  })
})

describe('sessions over HTTP', () => {
  it('[H12] tells the sessions, [H10] whether all is well', async () => {
    const { running } = await rig.openAll()
    const url = await serve(running)
    const reply = await fetch(`${url}/sessions`)
    expect(await reply.json()).toMatchObject({
      sessions: [
        {
          operatorId: rig.operatorId,
          operatorName: 'Test-OP',
          state: 'BOUND',
          bindMode: 'TRANSCEIVER',
          reconnectAttempts: 0,
        },
      ],
    })
    expect(running.gateway.operators.get(rig.operatorId)?.view.lastBoundAt).toMatch(/^\d{4}-.*Z$/)
    expect((await fetch(`${url}/health/ready`)).status).toBe(200)
  })

  it('[ER1] problems say what is wrong and which request it was', async () => {
    const { running } = await rig.openAll()
    const url = await serve(running)
    const id = randomUUID()
    const of = async (path: string, method: string): Promise<unknown> => {
      const reply = await fetch(`${url}${path}`, { method, headers: { 'x-request-id': id } })
      expect(reply.headers.get('content-type')).toBe('application/problem+json')
      return reply.json()
    }
    const instance = `urn:uuid:${id}`
    const allowed = { instance, detail: 'see the Allow header', code: 'METHOD_NOT_ALLOWED', status: 405 }
    expect(await of(`/sessions/${rig.operatorId}/drain`, 'POST')).toMatchObject({
      instance,
      detail: 'the token is missing or not valid',
      type: 'https://docs.ghasi.io/problems/unauthenticated',
      status: 401,
      code: 'UNAUTHENTICATED',
    })
    expect(await of('/sessions', 'DELETE')).toMatchObject(allowed)
    expect(await of(`/sessions/${rig.operatorId}/drain`, 'GET')).toMatchObject(allowed)
  })

  it('[H18] drain takes receipts and no command, pause unbinds, resume goes on', async () => {
    const { smsc, heard, running } = await rig.openAll()
    const url = await serve(running)
    const ask = (action: string) =>
      fetch(`${url}/sessions/${rig.operatorId}/${action}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}` },
      }).then(({ status }) => status)
    const hold = () => running.gateway.operators.get(rig.operatorId)?.view.hold
    await rig.send({ to: phone('929') })
    await until(() => heard.results.length === 1)
    expect([await ask('drain'), hold()]).toEqual([202, 'drained'])
    await rig.send({ to: phone('916') })
    await until(() => heard.receipts.length === 1)
    expect([heard.results.length, smsc.counters().submits]).toEqual([1, 1])
    expect([await ask('pause'), hold()]).toEqual([202, 'paused'])
    await until(() => smsc.counters().sessions === 0 && heard.health.at(-1)?.reason === 'paused')
    expect(heard.health.at(-1)).toMatchObject({ status: 'UNBOUND' })
    expect(running.gateway.ready().ready).toBe(true)
    expect([await ask('resume'), hold()]).toEqual([202, null])
    await until(() => heard.results.length === 2)
    expect(smsc.entries().filter(({ kind }) => kind === 'bind')).toHaveLength(2)
  }, 30_000)

  it('[H13] ends a paused retry, asks for the token, and knows its operators', async () => {
    await rig.openNats()
    await rig.addDurable(rig.operatorId)
    const smsc = await rig.openSmsc({}, { bindStatus: 0x0e })
    await rig.openManagement(smsc.port)
    const running = await rig.startGateway({ timings: { credentialsPollMs: 60_000 } })
    await until(async () => (await running.metric('smpp_connector_bind_paused')) === 1)
    const url = await serve(running)
    expect((await fetch(`${url}/health/ready`)).status).toBe(503)
    const reconnect = (operatorId: string, token = TOKEN): Promise<number> =>
      fetch(`${url}/sessions/${operatorId}/reconnect`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
      }).then((reply) => reply.status)
    expect(await reconnect(rig.operatorId, 'other')).toBe(401)
    expect(await reconnect(randomUUID())).toBe(404)
    smsc.setOperator(rig.systemId, { bindStatus: 0 })
    expect(await reconnect(rig.operatorId)).toBe(202)
    await rig.bound(running)
  })
})

describe('CON-5.9 secrets and personal data', () => {
  it('neither password, token, number nor text is in any line, metric, session or health event', async () => {
    const { smsc, heard, running } = await rig.openAll({ timings: { responseMs: 2000, heartbeatMs: 100 } })
    const url = await serve(running)
    const to = phone('944')
    await rig.send({ to, body: 'Marker-Text-4711', from: 'MarkerSendr' })
    await rig.send({ to: phone('902'), body: 'Marker-Text-4712' })
    await rig.send({ to: phone('927'), body: 'Marker-Text-4713' })
    await rig.send({ body: '', from: 'MarkerSendr' })
    // [R7]: without an id the receipt still arrives, with its content.
    await until(() => heard.receipts.some((receipt) => receipt.operatorMessageId === ''), 30_000)
    await until(() => heard.results.length >= 4, 30_000)
    rig.setOperator(rig.operatorId, smsc.port, { password: 'Wr0ngPw' })
    smsc.dropConnections()
    await until(async () => (await running.metric('smpp_connector_bind_paused')) === 1, 30_000)
    const metrics = await running.metricsText()
    const sessions = await (await fetch(`${url}/sessions`)).text()
    const output = [...rig.log, metrics, sessions, JSON.stringify(heard.health)].join('\n')
    expect(output).toContain('smpp.session.bound')
    for (const secret of [
      PASSWORD,
      'Wr0ngPw',
      TOKEN,
      rig.systemId,
      to.slice(1),
      'Marker-Text',
      'MarkerSendr',
    ])
      expect(output).not.toContain(secret)
  })
})
