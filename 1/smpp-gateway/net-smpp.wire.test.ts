import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startNetSmpp, type NetSmpp } from '../dev/neighbours/net-smpp/server.ts'
import { encodeUcs2 } from '../streams/domain/message/gsm7.ts'
import { phone, until } from './testing/invented.suite.ts'
import { PASSWORD, Rig } from './testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

async function open(credentials: object = {}) {
  const smsc: NetSmpp = await startNetSmpp(PASSWORD)
  rig.onClose(() => smsc.close())
  await rig.openNats()
  await rig.addDurable(rig.operatorId, 40)
  const heard = await rig.hear()
  await rig.openManagement(smsc.port, credentials)
  const running = await rig.startGateway({ options: { [rig.operatorId]: { idRules: ['hex2dec'] } } })
  const said = (word: string): readonly string[] => smsc.lines.filter((line) => line.startsWith(word))
  return { heard, running, said }
}

/** Debian's Net::SMPP: bytes, session and habits are not ours. */
describe('an SMSC of other people', () => {
  it('fault G20: takes our submits and its receipts find them, hexadecimal in one and decimal in the other', async () => {
    const { heard, running, said } = await open()
    await rig.bound(running)
    const bodies = ['Your code is 4711', 'Наш код 4711', 'a'.repeat(300), 'b', 'c', 'd', 'e']
    for (const body of bodies) await rig.send({ to: phone('000'), body })
    const segments = bodies.length + 1
    await until(() => heard.results.length === segments, 30_000)
    await until(() => heard.receipts.length >= segments, 20_000)
    await until(() => said('acknowledged 0').length === segments)
    expect(new Set(heard.results.map(({ outcome }) => outcome))).toEqual(new Set(['ACCEPTED']))
    expect(said('throttled').length).toBeGreaterThanOrEqual(3)
    const ids = new Map(
      heard.results.map((result) => [BigInt(`0x${result.operatorMessageId}`), result.messageId]),
    )
    for (const receipt of heard.receipts) {
      expect(receipt).toMatchObject({ stat: 'DELIVRD', deliveredAt: '2026-11-28T09:01:00.000Z' })
      expect(receipt.messageId).toBe(ids.get(BigInt(receipt.operatorMessageId)))
    }
    const octets = said('taken').map((line) => line.split(' ').slice(2).join(' '))
    expect(octets).toContain(`0 ${Buffer.from('Your code is 4711').toString('hex')}`)
    expect(octets).toContain(`8 ${encodeUcs2('Наш код 4711').toString('hex')}`)
    expect(said('unexpected')).toEqual([])
    expect(rig.log.filter((line) => line.includes('dlr.correlation.not_found'))).toEqual([])
    await running.stop()
    await until(() => said('unbound').length === 1)
  }, 120_000)

  it('[B14] refuses a wrong password, and is not asked again', async () => {
    const { running, said } = await open({ password: 'wrong' })
    await until(async () => (await running.metric('smpp_connector_bind_paused')) === 1, 20_000)
    const asked = rig.management.repliesSent()
    await until(() => rig.management.repliesSent() >= asked + 3)
    expect(said('bind')).toEqual(['bind 14'])
  }, 120_000)
})
