import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Recorded, SubmitEntry } from '../dev/neighbours/smsc/journal.ts'
import type { Smsc } from '../dev/neighbours/smsc/smsc.ts'
import { phone, until } from './testing/invented.suite.ts'
import { PASSWORD, Rig } from './testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

const submitsOf = (smsc: Smsc): readonly SubmitEntry[] =>
  smsc.entries().filter((entry): entry is Recorded & SubmitEntry => entry.kind === 'submit')
const goodBindsOf = (smsc: Smsc): number =>
  smsc.entries().filter((entry) => entry.kind === 'bind' && entry.status === 0).length

describe('fault G12: the operator wants the session to end while its answers are on the way', () => {
  it('by unbind: nothing is in doubt, nothing is sent twice', async () => {
    const { smsc, heard, running } = await rig.openAll()
    smsc.setOperator(rig.systemId, { responseDelayMs: 300 })
    for (let count = 0; count < 30; count += 1) await rig.send({ to: phone('916') })
    for (let turn = 1; turn <= 2; turn += 1) {
      await until(() => smsc.counters().taken >= 10 * turn)
      smsc.unbindAll()
      await until(() => goodBindsOf(smsc) === turn + 1)
    }
    await until(() => heard.results.length >= 30, 20_000)
    expect(smsc.counters()).toMatchObject({ taken: 30, duplicates: 0 })
    expect(await running.metric('smpp_connector_in_doubt_total')).toBe(0)
  }, 40_000)

  it('by RINVBNDSTS to one submit: the others keep their answers, and that one goes again', async () => {
    const { smsc, heard, running } = await rig.openAll()
    smsc.setOperator(rig.systemId, { responseDelayMs: 300 })
    for (let count = 0; count < 9; count += 1) await rig.send({ to: phone(count === 4 ? '935' : '916') })
    await until(() => heard.results.length >= 9, 20_000)
    expect(heard.results.every(({ outcome }) => outcome === 'ACCEPTED')).toBe(true)
    expect(smsc.counters()).toMatchObject({ taken: 9, duplicates: 0 })
    expect(goodBindsOf(smsc)).toBe(2)
    expect(smsc.entries().map(({ kind }) => kind)).toContain('unbind')
    expect(await running.metric('smpp_connector_in_doubt_total')).toBe(0)
  }, 40_000)
})

describe('fault G21: a link that swallows every submit', () => {
  it('[B18] is given up, bound again, and said to be down', async () => {
    const { smsc, heard } = await rig.openAll({
      timings: { responseMs: 200 },
      options: { [rig.operatorId]: { unansweredMs: 600 } },
    })
    await rig.send({ to: phone('946') })
    await until(() => heard.health.some(({ reason }) => reason === 'submits unanswered'))
    await until(() => goodBindsOf(smsc) >= 2)
    expect(rig.log.some((line) => line.includes('smpp.submits.unanswered'))).toBe(true)
  }, 40_000)

  it('[FO1] hands its commands to the backup at once, long before failoverAfter', async () => {
    const backupId = randomUUID()
    await rig.openNats()
    await rig.addDurable(rig.operatorId)
    await rig.addDurable(backupId)
    const heard = await rig.hear(rig.operatorId, backupId)
    const [hole, other] = [await rig.openSmsc(), await rig.openSmsc()]
    hole.setFaults([{ on: 'submit_sm', do: { kind: 'silence' } }])
    await rig.openManagement(hole.port, { backupOperatorId: backupId })
    rig.setOperator(backupId, other.port)
    const running = await rig.startGateway({
      operatorIds: [rig.operatorId, backupId],
      timings: { responseMs: 300, reconnectFirstMs: 3_000, reconnectMaxMs: 6_000 },
      options: { [rig.operatorId]: { unansweredMs: 600, failoverAfterMs: 600_000 } },
    })
    await rig.bound(running)
    await rig.bound(running, backupId)
    await rig.send({ to: phone('916') })
    await until(() => running.gateway.operators.get(rig.operatorId)?.view.state === 'FAILBACK', 20_000)
    const { messageId } = await rig.send({ to: phone('916') })
    const carried = () => heard.results.find((result) => result.messageId === messageId)
    await until(() => carried() !== undefined, 20_000)
    expect(carried()).toMatchObject({ operatorId: backupId, outcome: 'ACCEPTED' })
  }, 60_000)
})

describe('[PD2] the profile of an operator', () => {
  it('binds a transmitter and a receiver where it says so, and holds its rate below the credentials', async () => {
    const { smsc, heard, running } = await rig.openAll({
      options: { [rig.operatorId]: { bindMode: 'TRANSMITTER+RECEIVER', rate: 2 } },
    })
    expect(running.gateway.operators.get(rig.operatorId)?.view.bindMode).toBe('TRANSMITTER+RECEIVER')
    expect(goodBindsOf(smsc)).toBe(2)
    const sentAt = performance.now()
    for (let count = 0; count < 5; count += 1) await rig.send({ to: phone('000') })
    await until(() => heard.results.length === 5 && heard.receipts.length === 5, 20_000)
    expect(performance.now() - sentAt).toBeGreaterThan(1_000)
  }, 40_000)

  it('fault G20: knows the id rules, so that receipts of a hexadecimal operator find their message', async () => {
    const { heard } = await rig.openAll({ options: { [rig.operatorId]: { idRules: ['hex2dec'] } } })
    const { messageId } = await rig.send({ to: phone('914') })
    await until(() => heard.receipts.length === 1)
    expect(heard.receipts[0]).toMatchObject({ messageId, stat: 'DELIVRD' })
    expect(rig.log.filter((line) => line.includes('dlr.correlation.not_found'))).toEqual([])
  })

  it('[R14] says which id rules are missing, once', async () => {
    const { heard } = await rig.openAll()
    for (let count = 0; count < 15; count += 1) await rig.send({ to: phone('914') })
    await until(() => heard.receipts.length === 15, 20_000)
    const told = rig.log.filter((line) => line.includes('dlr.id_rules.learnt'))
    expect(told).toHaveLength(1)
    expect(told[0]).toContain('hex2dec')
    expect(rig.log.filter((line) => line.includes('dlr.correlation.not_found'))).toHaveLength(1)
  }, 40_000)
})

describe('[B19] credentials while bound', () => {
  it('fault G21: another tpsLimit applies without another bind', async () => {
    const { smsc, heard } = await rig.openAll()
    const asked = rig.management.repliesSent()
    rig.setOperator(rig.operatorId, smsc.port, { tpsLimit: 1, operatorName: 'New-Name' })
    await until(() => rig.management.repliesSent() >= asked + 2)
    const sentAt = performance.now()
    for (let count = 0; count < 3; count += 1) await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 3, 20_000)
    expect(performance.now() - sentAt).toBeGreaterThan(1_000)
    expect(goodBindsOf(smsc)).toBe(1)
  }, 40_000)

  it('another port leads there, in order; another password alone changes nothing', async () => {
    const { smsc, heard, running } = await rig.openAll()
    const asked = rig.management.repliesSent()
    rig.setOperator(rig.operatorId, smsc.port, { password: 'mistyped' })
    await until(() => rig.management.repliesSent() >= asked + 2)
    expect(running.gateway.operators.get(rig.operatorId)?.view.state).toBe('BOUND')
    const other = await rig.openSmsc()
    rig.setOperator(rig.operatorId, other.port, { password: PASSWORD })
    await until(() => goodBindsOf(other) === 1)
    await rig.bound(running)
    expect(smsc.entries().map(({ kind }) => kind)).toContain('unbind')
    await rig.send({ to: phone('916') })
    await until(() => heard.results.length === 1)
    expect([submitsOf(smsc).length, submitsOf(other).length]).toEqual([0, 1])
  }, 40_000)

  it('fault G21: a password of 9 characters and more is sent, with a warning that does not hold it', async () => {
    const password = 'LongPw-2026-11'
    await rig.openNats()
    await rig.addDurable(rig.operatorId, 40)
    const smsc = await rig.openSmsc({}, { password })
    await rig.openManagement(smsc.port, { password })
    const running = await rig.startGateway()
    await rig.bound(running)
    const log = rig.log.join('')
    expect(log).toContain('smpp.credentials.long_password')
    expect(log).not.toContain(password)
  })
})
