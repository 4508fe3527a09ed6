import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startPythonSmpp, type PythonSmpp } from '../dev/neighbours/python-smpp/server.ts'
import { encodeUcs2 } from '../streams/domain/message/gsm7.ts'
import { phone, until } from './testing/invented.suite.ts'
import { PASSWORD, Rig, type GatewaySettings } from './testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

/** A machine under load must not look like an operator that does not answer. */
const PATIENT = { responseMs: 60_000, enquireLinkTimeoutMs: 60_000 }
type Library = Parameters<typeof startPythonSmpp>[0]

async function open(library: Library, settings: GatewaySettings = {}, credentials: object = {}) {
  const smsc: PythonSmpp = await startPythonSmpp(library, PASSWORD)
  rig.onClose(() => smsc.close())
  await rig.openNats()
  await rig.addDurable(rig.operatorId)
  const heard = await rig.hear()
  await rig.openManagement(smsc.port, credentials)
  const running = await rig.startGateway(settings)
  const said = (word: string): readonly string[] => smsc.lines.filter((line) => line.startsWith(word))
  return { smsc, heard, running, said }
}

/** From PyPI, its engine in Rust: bytes, session and timers are not ours. */
describe('smpp34 as SMSC', () => {
  it('takes our submits; receipts that come before their response or hold no text find them', async () => {
    const { smsc, heard, running, said } = await open('smpp34', {
      timings: { ...PATIENT, enquireLinkMs: 200 },
    })
    await rig.bound(running)
    const bodies = ['Your code is 4711', 'Наш код 4711', 'a'.repeat(300), 'b', 'c', 'd', 'e', '{€}']
    for (const body of bodies) await rig.send({ to: phone('000'), body })
    const segments = bodies.length + 1
    await until(() => heard.results.length === segments, 120_000)
    await until(() => heard.receipts.length === segments, 60_000)
    await until(() => said('acknowledged 0').length === segments, 60_000)
    expect(new Set(heard.results.map(({ outcome }) => outcome))).toEqual(new Set(['ACCEPTED']))
    expect(said('throttled').length).toBeGreaterThanOrEqual(2)
    const ids = new Set(heard.results.map((result) => result.operatorMessageId))
    expect(new Set(heard.receipts.map((receipt) => receipt.operatorMessageId))).toEqual(ids)
    expect(new Set(heard.receipts.map((receipt) => receipt.stat))).toEqual(new Set(['DELIVRD']))
    const octets = said('taken').map((line) => line.split(' ').slice(2).join(' '))
    expect(octets).toContain(`0 0 ${Buffer.from('Your code is 4711').toString('hex')}`)
    expect(octets).toContain(`8 0 ${encodeUcs2('Наш код 4711').toString('hex')}`)
    expect(octets).toContain('0 0 1b281b651b29')
    expect(octets.filter((line) => line.startsWith('0 64 050003'))).toHaveLength(2)
    expect(await running.metric('smpp_connector_in_doubt_total')).toBe(0)
    expect(rig.log.filter((line) => line.includes('enquire_link.timeout'))).toEqual([])
    await running.stop()
    await until(() => said('unbound').length === 1, 60_000)
    expect(smsc.lines.filter((line) => /error|exception/i.test(line))).toEqual([])
  }, 240_000)
})

/** From PyPI, written to receive messages and little more. */
describe('smppy as SMSC', () => {
  it('[ST1] [R1] is understood without ids in its responses and without the receipt bit in its receipts', async () => {
    const { heard, running, said } = await open('smppy', { timings: PATIENT })
    await rig.bound(running)
    for (const [at, body] of ['Your code is 4711', 'Наш код', 'b', 'c'].entries()) {
      await rig.send({ to: phone('000'), body })
      // It loses what comes behind the first PDU of a read, so there is one at a time.
      await until(() => said('acknowledged').length === at + 1, 60_000)
    }
    await until(() => heard.results.length === 4 && heard.receipts.length === 4, 60_000)
    expect(heard.results.map(({ outcome, operatorMessageId }) => [outcome, operatorMessageId])).toEqual(
      Array.from({ length: 4 }, () => ['ACCEPTED', undefined]),
    )
    expect(heard.receipts.map((receipt) => [receipt.operatorMessageId, receipt.stat])).toEqual(
      ['P1', 'P2', 'P3', 'P4'].map((id) => [id, 'DELIVRD']),
    )
    expect(said('taken')).toHaveLength(4)
    await running.stop()
    await until(() => said('unbound').length === 1, 60_000)
  }, 240_000)

  it('[B13] refuses a wrong password as RBINDFAIL: tried again with a back-off, and bound when it is right', async () => {
    const { smsc, running, said } = await open('smppy', {}, { password: 'wrong' })
    await until(() => said('bind 13').length >= 2, 60_000)
    expect(await running.metric('smpp_connector_bind_paused')).toBe(0)
    rig.setOperator(rig.operatorId, smsc.port)
    await rig.bound(running)
    expect(said('bind 0')).toHaveLength(1)
  }, 240_000)
})
