import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Smsc } from '../dev/neighbours/smsc/smsc.ts'
import { hopTo, type UrlHop } from '../dev/stack/proxy/hop.ts'
import { sleep } from '../streams/platform/backoff.ts'
import { phone, until } from './testing/invented.suite.ts'
import { withBackup } from './testing/backup.suite.ts'
import { envOf, Rig, type RunningGateway } from './testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

/** Statuses of all binds so far, in order. */
const bindsOf = (smsc: Smsc): readonly number[] =>
  smsc.entries().flatMap((entry) => (entry.kind === 'bind' ? [entry.status] : []))

const stateOf = ({ gateway }: RunningGateway): string | undefined =>
  gateway.operators.get(rig.operatorId)?.view.state
const conditionOf = ({ gateway }: RunningGateway): string | undefined =>
  gateway.ready().details[rig.operatorId]

describe('CON-5.7 lease', () => {
  it('the second process stands by, and binds when the first one ends', async () => {
    const { smsc, heard, running } = await rig.openAll()
    const standby = await rig.startGateway()
    await sleep(400)
    expect(standby.gateway.operators.get(rig.operatorId)?.view.state).toBe('DISCONNECTED')
    expect(standby.gateway.ready().ready).toBe(true)
    expect(bindsOf(smsc)).toHaveLength(1)
    await running.stop()
    await rig.bound(standby)
    await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 1)
  })

  it('a holder that reads another token unbinds at once and tells no more health', async () => {
    const { smsc, heard, running } = await rig.openAll({ timings: { heartbeatMs: 100 } })
    await until(() => heard.health.some((health) => health.reason === 'heartbeat'))
    await rig.setLease(randomUUID(), 1_500)
    await until(() => smsc.entries().some((entry) => entry.kind === 'unbind'))
    const told = heard.health.length
    await sleep(300)
    expect(heard.health.length).toBe(told)
    expect(running.gateway.operators.get(rig.operatorId)?.view.state).toBe('DISCONNECTED')
    // The other one is gone when its lease ends.
    await rig.bound(running)
  })
})

describe('[B3] a lease that is lost while its holder binds', () => {
  it('the bind is ended, and nothing is told or pulled', async () => {
    await rig.openNats()
    await rig.addDurable(rig.operatorId)
    const heard = await rig.hear()
    const smsc = await rig.openSmsc({ faults: [{ on: 'bind', do: { kind: 'late', ms: 3_000 } }] })
    await rig.openManagement(smsc.port)
    await rig.send({ to: phone('916') })
    const running = await rig.startGateway({ timings: { bindMs: 60_000 } })
    await until(() => stateOf(running) === 'CONNECTING')
    await rig.setLease(randomUUID(), 60_000)
    await until(() => smsc.entries().some((entry) => entry.kind === 'unbind'), 20_000)
    await until(() => stateOf(running) === 'DISCONNECTED')
    expect([heard.health, heard.results, smsc.counters().submits]).toEqual([[], [], 0])
  }, 40_000)
})

describe('[B3] a lease that is lost while the backup carries', () => {
  it('ends the pulling at once, although a bind is being tried', async () => {
    const { backupId, heard, own } = await withBackup(rig)
    const running = await rig.startGateway({
      operatorIds: [rig.operatorId, backupId],
      options: { [rig.operatorId]: { failoverAfterMs: 0 } },
      timings: { bindMs: 6_000, reconnectFirstMs: 3_000, reconnectMaxMs: 3_000 },
    })
    await rig.bound(running)
    await rig.bound(running, backupId)
    // It takes connections, and never answers a bind.
    own.setFaults([{ on: 'bind', do: { kind: 'silence' } }])
    own.dropConnections()
    await until(() => stateOf(running) === 'FAILBACK')
    await until(() => bindsOf(own).length === 2, 20_000)
    await rig.setLease(randomUUID(), 60_000)
    await until(() => stateOf(running) === 'DISCONNECTED', 20_000)
    await rig.send({ to: phone('916') })
    await rig.send({ operatorId: backupId, to: phone('916') })
    await until(() => heard.results.length > 0)
    await sleep(300)
    expect([heard.results.length, await rig.unacknowledged()]).toEqual([1, 1])
  }, 60_000)
})

async function hopToRedis(): Promise<UrlHop> {
  const hop = await hopTo(envOf('REDIS_URL'))
  rig.onClose(() => hop.close())
  return hop
}

const LEASE_MS = 5_000
const LEASE = { leaseMs: LEASE_MS, leaseRenewMs: 500 }

/** An operator that allows one bind, a holder and a standby, each with its own way to Redis. */
async function openPair() {
  await rig.openNats()
  await rig.addDurable(rig.operatorId, 40)
  const heard = await rig.hear()
  const smsc = await rig.openSmsc({}, { bindsMax: 1 })
  await rig.openManagement(smsc.port)
  const [holderHop, standbyHop] = [await hopToRedis(), await hopToRedis()]
  const holder = await rig.startGateway({ timings: LEASE, redisUrl: holderHop.url })
  await rig.bound(holder)
  const standby = await rig.startGateway({ timings: LEASE, redisUrl: standbyHop.url })
  await until(() => standby.gateway.ready().ready)
  return { heard, smsc, holder, standby, holderHop, standbyHop }
}

describe('fault G8: Redis restarts empty while one gateway holds the lease and another waits', () => {
  it('there are never two binds and never none, whoever reaches Redis first', async () => {
    const { heard, smsc, holder, standby, holderHop, standbyHop } = await openPair()
    for (const [first, last] of [
      [standbyHop, holderHop],
      [holderHop, standbyHop],
    ] as const) {
      await Promise.all([first.cut(), last.cut()])
      await until(() => conditionOf(standby)?.includes('does not answer') === true)
      await rig.dropLease()
      await first.mend()
      await sleep(300)
      await last.mend()
      await until(() => standby.gateway.ready().details['redis'] === 'ok')
      await until(() => conditionOf(standby)?.includes('another process') === true)
      await sleep(LEASE_MS)
      expect([stateOf(holder), stateOf(standby), bindsOf(smsc)]).toEqual(['BOUND', 'DISCONNECTED', [0]])
    }
    await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 1)
  }, 60_000)

  it('its holder gone as well, the standby says what it waits for, and binds after one TTL', async () => {
    const { smsc, holder, standby, holderHop, standbyHop } = await openPair()
    await Promise.all([holderHop.cut(), standbyHop.cut()])
    await until(() => conditionOf(standby)?.includes('does not answer') === true)
    await rig.dropLease()
    await holder.stop()
    await standbyHop.mend()
    await until(() => conditionOf(standby)?.includes('its holder may take it again') === true)
    expect(standby.gateway.ready().ready).toBe(false)
    await until(() => stateOf(standby) === 'BOUND', 20_000)
    expect(bindsOf(smsc)).toEqual([0, 0])
  }, 60_000)
})

describe('fault G15: a gateway that starts without Redis', () => {
  it('[H32] is not ready and says why, and binds after one TTL', async () => {
    await rig.openNats()
    await rig.addDurable(rig.operatorId, 40)
    const heard = await rig.hear()
    const smsc = await rig.openSmsc()
    await rig.openManagement(smsc.port)
    const running = await rig.startGateway({ timings: LEASE, redisUrl: 'redis://127.0.0.1:1' })
    await until(() => conditionOf(running)?.includes('Redis does not answer') === true)
    expect(running.gateway.ready().ready).toBe(false)
    expect(bindsOf(smsc)).toEqual([])
    await until(() => running.gateway.ready().ready, 20_000)
    await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 1)
    expect(heard.health.map(({ status }) => status)).toEqual(['BOUND'])
    expect(rig.log.filter((line) => line.includes('smpp.lease.assumed'))).toHaveLength(1)
  }, 40_000)

  it('and finds the only place taken goes on trying, and tells the neighbours nothing', async () => {
    const { heard, smsc, holder } = await openPair()
    const told = heard.health.length
    const second = await rig.startGateway({ timings: LEASE, redisUrl: 'redis://127.0.0.1:1' })
    await until(() => bindsOf(smsc).filter((status) => status === 0x0d).length >= 2, 20_000)
    expect([stateOf(holder), second.gateway.ready().ready]).toEqual(['BOUND', false])
    expect(heard.health).toHaveLength(told)
    expect(await second.metric('smpp_connector_bind_paused')).toBe(0)
  }, 40_000)
})
