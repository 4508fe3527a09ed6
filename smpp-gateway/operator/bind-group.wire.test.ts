import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Smsc } from '../../dev/neighbours/smsc/smsc.ts'
import { sleep } from '../../streams/platform/backoff.ts'
import { phone, until } from '../testing/invented.suite.ts'
import { Rig, type RunningGateway } from '../testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

const AGREED = 3

/** An operator that allows three binds, and a gateway that may have as many. */
async function openThree(options: object = {}): Promise<{ smsc: Smsc; running: RunningGateway }> {
  await rig.openNats()
  await rig.addDurable(rig.operatorId)
  const smsc = await rig.openSmsc({}, { bindsMax: AGREED })
  await rig.openManagement(smsc.port)
  return { smsc, running: await start(options) }
}

const start = (options: object = {}): Promise<RunningGateway> =>
  rig.startGateway({ options: { [rig.operatorId]: { binds: AGREED, ...options } } })

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
})
