import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Smsc } from '../../dev/neighbours/smsc/smsc.ts'
import { hopTo } from '../../dev/stack/proxy/hop.ts'
import { sleep } from '../../streams/platform/backoff.ts'
import { phone, until } from '../testing/invented.suite.ts'
import { envOf, Rig, type GatewaySettings, type RunningGateway } from '../testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

type Profile = NonNullable<GatewaySettings['options']>[string]

const AGREED = 3

const LEASE = { leaseMs: 2_000, leaseRenewMs: 400 }

/** A gateway that may have three binds, and an operator that allows `bindsMax`. */
async function openThree(
  profile: Profile = {},
  settings: Omit<GatewaySettings, 'options'> = {},
  bindsMax = AGREED,
  smscOptions: Parameters<Rig['openSmsc']>[0] = {},
): Promise<{ smsc: Smsc; running: RunningGateway }> {
  await rig.openNats()
  await rig.addDurable(rig.operatorId)
  const smsc = await rig.openSmsc(smscOptions, { bindsMax })
  await rig.openManagement(smsc.port)
  return { smsc, running: await start(profile, settings) }
}

const start = (
  profile: Profile = {},
  settings: Omit<GatewaySettings, 'options'> = {},
): Promise<RunningGateway> =>
  rig.startGateway({ ...settings, options: { [rig.operatorId]: { binds: AGREED, ...profile } } })

const viewOf = ({ gateway }: RunningGateway) => gateway.operators.get(rig.operatorId)?.view
const bindsOf = (running: RunningGateway): number => viewOf(running)?.binds ?? 0
const refusalsOf = (smsc: Smsc): number =>
  smsc.entries().filter((entry) => entry.kind === 'bind' && entry.status !== 0).length

describe('[B21] several binds to one operator', () => {
  it('are all bound, and share one window', async () => {
    const { smsc, running } = await openThree({ window: 4, timers: { responseMs: 60_000 } })
    await until(() => bindsOf(running) === AGREED, 20_000)
    expect([smsc.counters().sessions, refusalsOf(smsc)]).toEqual([AGREED, 0])
    for (let turn = 0; turn < 12; turn += 1) await rig.send({ to: phone('941') })
    await until(() => smsc.counters().submits === 4)
    await sleep(400)
    expect(smsc.counters().submits).toBe(4)
    smsc.dropConnections(60_000)
  }, 60_000)

  it('one that is lost is bound again, while the others carry and the operator stays BOUND', async () => {
    const { smsc, running } = await openThree()
    const heard = await rig.hear()
    await until(() => bindsOf(running) === AGREED, 20_000)
    smsc.setFaults([{ on: 'submit_sm', times: 1, do: { kind: 'hang-up' } }])
    for (let turn = 0; turn < 20; turn += 1) await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 20, 30_000)
    await until(() => bindsOf(running) === AGREED, 20_000)
    expect(smsc.entries().filter(({ kind }) => kind === 'bind')).toHaveLength(AGREED + 1)
    expect(heard.health.filter(({ status }) => status !== 'BOUND')).toEqual([])
    expect(viewOf(running)?.state).toBe('BOUND')
  }, 60_000)

  it('begin anew when all are lost', async () => {
    const { smsc, running } = await openThree()
    const heard = await rig.hear()
    await until(() => bindsOf(running) === AGREED, 20_000)
    smsc.dropConnections()
    await until(() => heard.health.some(({ status }) => status === 'UNBOUND'), 20_000)
    await until(() => bindsOf(running) === AGREED, 20_000)
    expect(refusalsOf(smsc)).toBe(0)
  }, 60_000)

  it('are never more than agreed while another process takes over', async () => {
    const { smsc, running } = await openThree()
    await until(() => bindsOf(running) === AGREED, 20_000)
    const standby = await start()
    await until(() => standby.gateway.ready().ready, 20_000)
    // It loses the lease of the operator and, a moment later, those of its places.
    await rig.setLease(randomUUID(), 1_500)
    await until(() => viewOf(running)?.state === 'DISCONNECTED' || bindsOf(standby) > 0, 20_000)
    await until(() => bindsOf(running) + bindsOf(standby) === AGREED, 30_000)
    await until(() => smsc.counters().sessions === AGREED)
    expect(refusalsOf(smsc)).toBe(0)
    await running.stop()
    await until(() => bindsOf(standby) === AGREED, 30_000)
    expect(refusalsOf(smsc)).toBe(0)
  }, 90_000)

  it('[B3] a place whose lease another process holds is left to it', async () => {
    await rig.setLease(randomUUID(), 60_000, `${rig.operatorId}:2`)
    const { smsc, running } = await openThree()
    await until(() => bindsOf(running) === AGREED - 1, 20_000)
    await sleep(1_000)
    expect([bindsOf(running), smsc.counters().sessions]).toEqual([AGREED - 1, AGREED - 1])
  }, 60_000)

  it('[B4] without Redis there is one, and the others come when Redis says that they are free', async () => {
    const hop = await hopTo(envOf('REDIS_URL'))
    await hop.cut()
    const { smsc, running } = await openThree({}, { redisUrl: hop.url, timings: LEASE })
    await until(() => bindsOf(running) === 1, 30_000)
    // As long as a place would take that is assumed as the first one is.
    await sleep(2 * LEASE.leaseMs)
    expect([bindsOf(running), smsc.counters().sessions]).toEqual([1, 1])
    await hop.mend()
    await until(() => bindsOf(running) === AGREED, 30_000)
    expect(refusalsOf(smsc)).toBe(0)
    await hop.close()
  }, 90_000)

  it('receipts come on any of them, and an orderly end takes the answers and unbinds all', async () => {
    // One receipt at a time on each, so that a burst of them needs all.
    const timing = { receiptDelayMs: { min: 500, max: 505 }, receiptWindow: 1 }
    const { smsc, running } = await openThree({}, {}, AGREED, { timing })
    const heard = await rig.hear()
    await until(() => bindsOf(running) === AGREED, 20_000)
    for (let turn = 0; turn < 30; turn += 1) await rig.send({ to: phone('000') })
    await until(() => heard.receipts.length === 30, 30_000)
    const sessions = smsc.entries().flatMap((entry) => (entry.kind === 'receipt' ? [entry.session] : []))
    expect(new Set(sessions).size).toBe(AGREED)
    for (let turn = 0; turn < 10; turn += 1) await rig.send({ to: phone('916') })
    await running.stop()
    const unbound = smsc.entries().filter(({ kind }) => kind === 'unbind')
    expect([unbound.length, smsc.counters().sessions]).toEqual([AGREED, 0])
    expect(heard.results.filter(({ uncertain }) => uncertain === true)).toEqual([])
    const bound = await start()
    await until(() => heard.results.length === 40, 30_000)
    expect(smsc.counters().submits).toBe(40)
    await bound.stop()
  }, 90_000)

  it('a transmitter with its receiver counts once, and they are lost and bound again together', async () => {
    const { smsc, running } = await openThree({ bindMode: 'TRANSMITTER+RECEIVER' }, {}, 2 * AGREED)
    await until(() => bindsOf(running) === AGREED, 20_000)
    expect(smsc.counters().sessions).toBe(2 * AGREED)
    smsc.setFaults([{ on: 'submit_sm', times: 1, do: { kind: 'hang-up' } }])
    await rig.send({ to: phone('916') })
    await until(() => smsc.entries().filter(({ kind }) => kind === 'bind').length === 2 * AGREED + 2, 20_000)
    await until(() => bindsOf(running) === AGREED, 20_000)
    expect([smsc.counters().sessions, refusalsOf(smsc)]).toEqual([2 * AGREED, 0])
  }, 60_000)

  it('one that the operator refuses as too many does not stop the others', async () => {
    const { smsc, running } = await openThree({}, {}, AGREED - 1)
    const heard = await rig.hear()
    await until(() => refusalsOf(smsc) >= 2, 20_000)
    for (let turn = 0; turn < 10; turn += 1) await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 10, 30_000)
    expect([bindsOf(running), viewOf(running)?.state]).toEqual([AGREED - 1, 'BOUND'])
  }, 60_000)

  it('[B19] one that comes back under changed credentials takes the others with it', async () => {
    const { smsc, running } = await openThree({}, { timings: { credentialsPollMs: 600_000 } })
    await until(() => bindsOf(running) === AGREED, 20_000)
    rig.setOperator(rig.operatorId, smsc.port, { systemId: rig.systemId, systemType: 'other' })
    smsc.setFaults([{ on: 'submit_sm', times: 1, do: { kind: 'hang-up' } }])
    await rig.send({ to: phone('916') })
    await until(() => smsc.entries().filter(({ kind }) => kind === 'unbind').length >= AGREED - 1, 20_000)
    await until(() => bindsOf(running) === AGREED && viewOf(running)?.state === 'BOUND', 20_000)
    expect(refusalsOf(smsc)).toBe(0)
  }, 60_000)
})
