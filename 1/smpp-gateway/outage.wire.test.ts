import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hopTo, type UrlHop } from '../dev/stack/proxy/hop.ts'
import { connectionOf } from '../streams/nats/link.ts'
import { sleep } from '../streams/platform/backoff.ts'
import { phone, until } from './testing/invented.suite.ts'
import { envOf, PASSWORD, Rig } from './testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

async function proxyTo(url: string): Promise<{ proxy: UrlHop; through: string }> {
  const proxy = await hopTo(url)
  rig.onClose(() => proxy.close())
  return { proxy, through: proxy.url }
}

const bindsOf = (smsc: { entries(): readonly { kind: string }[] }): number =>
  smsc.entries().filter((entry) => entry.kind === 'bind').length

describe('what the gateway needs goes away', () => {
  it('CON-2.1 credentials API away: the bound session goes on, and nothing new is bound until it is back', async () => {
    const { smsc, heard, running } = await rig.openAll()
    rig.management.setOutage(true)
    await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 1)
    smsc.dropConnections()
    await until(() => heard.health.some((health) => health.status === 'UNBOUND'))
    await until(async () => (await running.metric('smpp_connector_reconnect_attempts_total')) >= 2)
    expect(bindsOf(smsc)).toBe(1)
    rig.management.setOutage(false)
    await rig.bound(running)
    expect(bindsOf(smsc)).toBe(2)
  })

  it('CON-2.2 NATS away: commands wait in the stream, and go out when it is back', async () => {
    const { proxy, through } = await proxyTo(envOf('NATS_URL'))
    const { smsc, heard, running } = await rig.openAll({ natsUrl: through })
    await proxy.cut()
    await until(() => !running.gateway.ready().ready)
    await rig.send({ to: phone('916') })
    await sleep(300)
    expect(heard.results).toEqual([])
    await proxy.mend()
    await until(() => heard.results.length === 1, 20_000)
    expect(smsc.counters().duplicates).toBe(0)
    await until(() => running.gateway.ready().ready)
  }, 40_000)

  it('fault G7: a NATS connection that the client library has given up is replaced, and commands go out', async () => {
    const { heard, running } = await rig.openAll()
    await connectionOf(running.nats).close()
    await until(() => !running.gateway.ready().ready)
    await until(() => running.gateway.ready().ready)
    await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 1, 20_000)
    expect(heard.results[0]?.outcome).toBe('ACCEPTED')
  }, 40_000)

  it('fault G11: a session that ends under flow leaves no command to wait for its ack wait', async () => {
    const { smsc, heard } = await rig.openAll({ timings: { reconnectFirstMs: 20 } })
    const ids = new Set<string>()
    for (let drop = 0; drop < 6; drop += 1) {
      for (let count = 0; count < 20; count += 1) {
        const { messageId } = await rig.send({ to: phone('916') })
        ids.add(messageId)
        if (count === 10) smsc.dropConnections()
      }
    }
    const reported = (): Set<string> => new Set(heard.results.map(({ messageId }) => messageId))
    await until(() => reported().size === ids.size, 20_000)
    expect(reported()).toEqual(ids)
  }, 60_000)

  it('[F4] NATS hangs: a receipt is refused, and answered ESME_ROK only once NATS holds it', async () => {
    const { proxy, through } = await proxyTo(envOf('NATS_URL'))
    const { smsc, heard } = await rig.openAll({ natsUrl: through, timings: { receiptAckMs: 300 } }, 10, {
      timing: { receiptDelayMs: { min: 400, max: 400 }, receiptRetryMs: 200 },
    })
    await rig.send({ to: phone('000') })
    await until(() => heard.results.length === 1)
    proxy.freeze()
    await until(() =>
      smsc.entries().some((entry) => entry.kind === 'receipt-refused' && entry.status === 0x64),
    )
    expect(smsc.counters().receiptsAcknowledged).toBe(0)
    expect(heard.receipts).toEqual([])
    await proxy.mend()
    await until(() => smsc.counters().receiptsAcknowledged === 1, 15_000)
    expect(heard.receipts.length).toBeGreaterThanOrEqual(1)
  }, 30_000)

  it('CON-2.3 Redis away: sending goes on under the local limit, with a warning and a gauge, and Redis counts again', async () => {
    const { proxy, through } = await proxyTo(envOf('REDIS_URL'))
    const { smsc, heard, running } = await rig.openAll({ redisUrl: through })
    await proxy.cut()
    await rig.send({ to: phone('916'), body: 'a'.repeat(400) })
    await until(() => heard.results.length === 3)
    expect(await running.metric('smpp_connector_tps_fallback')).toBe(1)
    expect(await running.metric('smpp_connector_journal_unavailable_total')).toBeGreaterThan(0)
    expect(rig.log.filter((line) => line.includes('smpp.throughput.local'))).toHaveLength(1)
    expect(running.gateway.ready()).toMatchObject({ ready: true, details: { redis: 'not available' } })
    await proxy.mend()
    await until(() => running.gateway.ready().details['redis'] === 'ok')
    await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 4)
    expect(await running.metric('smpp_connector_tps_fallback')).toBe(0)
    expect(smsc.counters().duplicates).toBe(0)
  }, 30_000)

  it('CON-2.3 Redis hangs: sending goes on after one short wait', async () => {
    const { proxy, through } = await proxyTo(envOf('REDIS_URL'))
    const { heard } = await rig.openAll({ redisUrl: through })
    proxy.freeze()
    for (let turn = 0; turn < 5; turn++) await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 5, 15_000)
    expect(heard.results.every((result) => result.outcome === 'ACCEPTED')).toBe(true)
  }, 30_000)

  it('CON-2.3 a command that comes back while Redis is away is not sent again', async () => {
    const { proxy, through } = await proxyTo(envOf('REDIS_URL'))
    const { smsc, heard } = await rig.openAll({ redisUrl: through })
    await proxy.cut()
    // 932 refuses the first try of each segment. Segment 2 has its first try only after segment 1
    // is taken, so the command comes back twice.
    await rig.send({ to: phone('932'), body: 'a'.repeat(200) })
    await until(() => heard.results.length === 2, 15_000)
    expect(smsc.entries().filter((entry) => entry.kind === 'submit' && entry.taken)).toHaveLength(2)
  }, 30_000)

  it('CON-2.5 operator away: UNBOUND is published once, attempts back off, BOUND is published when it is back', async () => {
    const { smsc, heard, running } = await rig.openAll()
    smsc.dropConnections(600)
    await until(() => heard.health.some((health) => health.status === 'UNBOUND'))
    await until(() => heard.health.filter((health) => health.status === 'BOUND').length === 2)
    expect(heard.health.map((health) => [health.previousStatus, health.status])).toEqual([
      [null, 'BOUND'],
      ['BOUND', 'UNBOUND'],
      ['UNBOUND', 'BOUND'],
    ])
    expect(await running.metric('smpp_connector_reconnect_attempts_total')).toBeGreaterThan(1)
    await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 1)
  })
})

describe('a session that dies quietly or refuses', () => {
  it('an enquire_link without answer closes the session, which is bound again', async () => {
    const { smsc, heard, running } = await rig.openAll({
      timings: { enquireLinkMs: 200, enquireLinkTimeoutMs: 200 },
    })
    smsc.setOperator(rig.systemId, { answersEnquireLink: false })
    await until(() => heard.health.some((health) => health.reason === 'enquire_link timeout'))
    smsc.setOperator(rig.systemId, { answersEnquireLink: true })
    await rig.bound(running)
    expect(await running.metric('smpp_connector_enquire_link_timeout_total')).toBeGreaterThanOrEqual(1)
  })

  it('answers the enquire_link and the unbind of the operator', async () => {
    const { smsc, running } = await rig.openAll()
    smsc.enquireAll()
    smsc.unbindAll()
    await until(() => bindsOf(smsc) === 2)
    await rig.bound(running)
    expect(smsc.entries().filter((entry) => entry.kind === 'fault')).toEqual([])
  })

  it('binds a transmitter and a receiver where transceivers are unknown, and both carry', async () => {
    await rig.openNats()
    await rig.addDurable(rig.operatorId)
    const heard = await rig.hear()
    const smsc = await rig.openSmsc({}, { transceiver: false })
    await rig.openManagement(smsc.port)
    const running = await rig.startGateway()
    await rig.bound(running)
    expect(running.gateway.operators.get(rig.operatorId)?.view.bindMode).toBe('TRANSMITTER+RECEIVER')
    await rig.send({ to: phone('000') })
    await until(() => heard.results.length === 1 && heard.receipts.length === 1)
    smsc.dropConnections()
    await rig.bound(running)
  })

  it('refused credentials pause the bind until there are other ones', async () => {
    await rig.openNats()
    await rig.addDurable(rig.operatorId)
    const smsc = await rig.openSmsc()
    await rig.openManagement(smsc.port, { password: 'wrong' })
    const running = await rig.startGateway()
    await until(async () => (await running.metric('smpp_connector_bind_paused')) === 1)
    const asked = rig.management.repliesSent()
    await until(() => rig.management.repliesSent() >= asked + 3)
    expect(bindsOf(smsc)).toBe(1)
    rig.setOperator(rig.operatorId, smsc.port, { password: PASSWORD })
    await rig.bound(running)
    expect(await running.metric('smpp_connector_bind_paused')).toBe(0)
  })

  it.each([
    ['a length below the header', Buffer.from('00000004', 'hex')],
    ['a length of two gigabytes', Buffer.from('7fffffff00000004', 'hex')],
    ['a bind response that is cut', Buffer.from('0000001280000009000000000000000141', 'hex')],
  ])('closes on %s and tries again', async (_what, bytes) => {
    await rig.openNats()
    await rig.addDurable(rig.operatorId)
    let connections = 0
    const server = createServer((socket) => {
      connections += 1
      socket.on('error', () => {})
      socket.on('data', () => socket.write(bytes))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    rig.onClose(() => void server.close())
    const address = server.address()
    await rig.openManagement(typeof address === 'object' && address !== null ? address.port : 0)
    const running = await rig.startGateway({ timings: { bindMs: 300 } })
    await until(() => connections >= 2)
    expect(running.gateway.ready().ready).toBe(false)
  })
})
