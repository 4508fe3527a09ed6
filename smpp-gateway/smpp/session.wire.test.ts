import { afterEach, describe, expect, it } from 'vitest'
import { encodePdu, type Pdu } from './pdu.ts'
import { bind, bound, closePeers, deliver, HOOKS, Peer, sessionWith } from './testing/peer.suite.ts'

afterEach(closePeers)

const refused = ({ sequence }: Pdu): Buffer => encodePdu('bind_transceiver_resp', sequence, {}, 0x0e)

describe('[B11] the session is bound when the answer to its bind is decoded', () => {
  it('fault G10: a receipt in the same segment as the bind response is taken', async () => {
    const peer = new Peer((pdu) => (pdu.command === 'bind_transceiver' ? [bound(pdu), deliver(7)] : []))
    const taken: Pdu[] = []
    const session = await sessionWith(peer, {
      onDeliver: (pdu) => {
        taken.push(pdu)
        return Promise.resolve(0)
      },
    })
    expect(await bind(session)).toEqual({ kind: 'bound' })
    await expect
      .poll(() => peer.heard.filter(({ command }) => command === 'deliver_sm_resp'))
      .toMatchObject([{ sequence: 7, status: 0 }])
    expect(taken).toHaveLength(1)
  })

  it('a receipt before the bind response is refused, and so is one after a refusal', async () => {
    const peer = new Peer((pdu) =>
      pdu.command === 'bind_transceiver' ? [deliver(6), refused(pdu), deliver(7)] : [],
    )
    const session = await sessionWith(peer, { onDeliver: () => Promise.reject(new Error('taken')) })
    expect(await bind(session)).toEqual({ kind: 'refused', status: 0x0e })
    await expect
      .poll(() =>
        peer.heard.filter(({ command }) => command === 'deliver_sm_resp').map(({ status }) => status),
      )
      .toEqual([0x04, 0x04])
  })
})

describe('[B3] a session without the right to its bind', () => {
  it('sends no submit and no answer any more, and unbinds', async () => {
    let asked = 0
    // For its bind, and for the submit that is made and has not left when the process stands still.
    const mayWrite = (): boolean => ++asked <= 2
    const peer = new Peer((pdu) => (pdu.command === 'bind_transceiver' ? [bound(pdu)] : []))
    const session = await sessionWith(peer, { mayWrite, unbindMs: 200 })
    await bind(session)
    const made = session.submit({ short_message: Buffer.from('a') })
    expect(await session.submit({ short_message: Buffer.from('b') })).toEqual({ kind: 'not_sent' })
    peer.send(deliver(7))
    peer.send(encodePdu('enquire_link', 8, {}))
    await session.unbind(0)
    expect(await made).toMatchObject({ kind: 'in_doubt' })
    expect(peer.heard.map(({ command }) => command)).toEqual(['bind_transceiver', 'unbind'])
  })
})

describe('[R1] long receipts', () => {
  it('fault G17: takes a message_payload of its full 65,535 octets', async () => {
    const payload = Buffer.alloc(65_535, 'x')
    const peer = new Peer((pdu) =>
      pdu.command === 'bind_transceiver'
        ? [bound(pdu), encodePdu('deliver_sm', 9, { esm_class: 4, message_payload: payload })]
        : [],
    )
    const sizes: number[] = []
    const session = await sessionWith(peer, {
      onDeliver: (pdu) => {
        sizes.push(pdu.tlvs.get(0x0424)?.length ?? 0)
        return Promise.resolve(0)
      },
    })
    expect(await bind(session)).toEqual({ kind: 'bound' })
    await expect.poll(() => sizes).toEqual([65_535])
  })
})

describe('[B10] keep-alive', () => {
  it('fault G3: receipts keep the session, although enquire_link is never answered', async () => {
    const peer = new Peer((pdu) => (pdu.command === 'bind_transceiver' ? [bound(pdu)] : []))
    let timedOut = 0
    const session = await sessionWith(peer, {
      enquireLinkMs: 150,
      enquireLinkTimeoutMs: 2_000,
      hooks: { ...HOOKS, enquireLinkTimedOut: () => (timedOut += 1) },
    })
    await bind(session)
    await expect.poll(() => peer.heard.some(({ command }) => command === 'enquire_link')).toBe(true)
    // Longer than question and answer may take together, with a sign of life now and then.
    for (let sequence = 20; sequence < 25; sequence += 1) {
      peer.send(deliver(sequence))
      await expect
        .poll(() => peer.heard.filter(({ command }) => command === 'enquire_link').length, { timeout: 5_000 })
        .toBeGreaterThan(sequence - 19)
    }
    expect(timedOut).toBe(0)
  })
})
