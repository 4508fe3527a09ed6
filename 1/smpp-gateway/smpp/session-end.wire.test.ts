import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { selfSigned } from '../../dev/stack/certificate.ts'
import { sleep } from '../../streams/platform/backoff.ts'
import { encodePdu, type Pdu } from './pdu.ts'
import {
  bind,
  binding,
  boundTo,
  closePeers,
  deliver,
  HOOKS,
  Peer,
  sessionWith,
  SUBMIT,
  type Answering,
} from './testing/peer.suite.ts'

afterEach(closePeers)

const answerTo = ({ sequence }: Pdu): Buffer =>
  encodePdu('submit_sm_resp', sequence, { message_id: `id-${sequence}` })

describe('[ST5] the operator wants the session to end', () => {
  it('fault G12: answers to open submits are taken before its unbind is answered', async () => {
    const { peer, session } = await boundTo()
    const open = [1, 2, 3].map(() => session.submit(SUBMIT))
    await expect.poll(() => peer.heardOf('submit_sm').length).toBe(3)
    peer.send(encodePdu('unbind', 77))
    await expect.poll(() => session.canSubmit).toBe(false)
    expect(await session.submit(SUBMIT)).toEqual({ kind: 'not_sent' })
    expect(peer.heardOf('unbind_resp')).toEqual([])
    peer.send(Buffer.concat(peer.heardOf('submit_sm').map(answerTo)))
    expect((await Promise.all(open)).map(({ kind }) => kind)).toEqual(['answered', 'answered', 'answered'])
    await expect.poll(() => peer.heardOf('unbind_resp')).toMatchObject([{ sequence: 77, status: 0 }])
    expect(peer.heardOf('submit_sm')).toHaveLength(3)
  })

  it('but not for longer than leaveMs', async () => {
    const { peer, session, reasons } = await boundTo(undefined, { leaveMs: 200 })
    const open = session.submit(SUBMIT)
    await expect.poll(() => peer.heardOf('submit_sm').length).toBe(1)
    peer.send(encodePdu('unbind', 77))
    expect(await open).toMatchObject({ kind: 'in_doubt', reason: 'disconnect' })
    await expect.poll(() => peer.heardOf('unbind_resp').length).toBe(1)
    expect(reasons).toEqual(['unbound by the operator'])
  })

  it('a receipt that waits for NATS is answered before we unbind', async () => {
    const waiting: ((status: number) => void)[] = []
    const onDeliver = (): Promise<number> => new Promise((resolve) => void waiting.push(resolve))
    const { peer, session } = await boundTo(
      (pdu) => (pdu.command === 'unbind' ? [encodePdu('unbind_resp', pdu.sequence)] : []),
      { onDeliver },
    )
    peer.send(deliver(5))
    await expect.poll(() => waiting.length).toBe(1)
    const unbound = session.unbind(5_000)
    waiting[0]?.(0)
    await unbound
    expect(peer.heard.map(({ command }) => command)).toEqual([
      'bind_transceiver',
      'deliver_sm_resp',
      'unbind',
    ])
  })
})

const alive: Answering = (pdu) =>
  pdu.command === 'enquire_link' ? [encodePdu('enquire_link_resp', pdu.sequence)] : []

const answersOnce = (): Answering => {
  let answers = 1
  return (pdu) => (pdu.command === 'submit_sm' && answers-- > 0 ? [answerTo(pdu)] : [])
}

describe('[B18] submits that nobody answers', () => {
  it('fault G21: end the link, although enquire_link is answered', async () => {
    let told = 0
    const { session, reasons } = await boundTo(alive, {
      enquireLinkMs: 20,
      responseMs: 50,
      unansweredMs: 300,
      hooks: { ...HOOKS, submitsUnanswered: () => (told += 1) },
    })
    while (session.canSubmit) await session.submit(SUBMIT)
    expect([told, reasons]).toEqual([1, ['submits unanswered']])
  })

  it('are counted from the last answer, and a late one counts', async () => {
    const { peer, session } = await boundTo(undefined, { responseMs: 100, unansweredMs: 6_000 })
    for (let turn = 0; turn < 4; turn += 1) {
      const reply = await session.submit(SUBMIT)
      if (reply.kind !== 'in_doubt') throw new Error(reply.kind)
      await sleep(2_000)
      const last = peer.heardOf('submit_sm').at(-1)
      if (last !== undefined) peer.send(answerTo(last))
      expect(await reply.late).toMatchObject({ kind: 'answered' })
    }
    expect(session.canSubmit).toBe(true)
  })

  it('do not end a link that has nothing open', async () => {
    const { session } = await boundTo(answersOnce(), { unansweredMs: 1_500 })
    expect(await session.submit(SUBMIT)).toMatchObject({ kind: 'answered' })
    await sleep(2_500)
    expect(session.canSubmit).toBe(true)
  })
})

describe('[B20] TLS to an operator', () => {
  const folders: string[] = []
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
  })

  async function securedPeer(): Promise<{ peer: Peer; caFile: string }> {
    const folder = await mkdtemp(join(tmpdir(), 'smpp-tls-'))
    folders.push(folder)
    const { certFile, keyFile } = await selfSigned(folder)
    const [cert, key] = await Promise.all([certFile, keyFile].map((file) => readFile(file)))
    if (cert === undefined || key === undefined) throw new Error('no certificate')
    const peer = new Peer(
      binding((pdu) => (pdu.command === 'submit_sm' ? [answerTo(pdu)] : [])),
      { cert, key },
    )
    return { peer, caFile: certFile }
  }

  it('binds and submits where the certificate is trusted and names the host', async () => {
    const { peer, caFile } = await securedPeer()
    const session = await sessionWith(peer, { tls: { caFile, serverName: 'localhost' } })
    expect(await bind(session)).toEqual({ kind: 'bound' })
    expect(await session.submit(SUBMIT)).toMatchObject({ kind: 'answered', messageId: 'id-2' })
  })

  it.each([
    ['is not trusted', {}, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['is for another name', { serverName: 'smsc.example' }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['is checked against a file that is not there', { caFile: '/nowhere/ca.pem' }, 'ENOENT'],
  ])('sends nothing where the certificate %s', async (_, change, reason) => {
    const { peer, caFile } = await securedPeer()
    const trusted = 'serverName' in change ? { caFile } : {}
    const session = await sessionWith(peer, { tls: { ...trusted, ...change } })
    expect(await bind(session)).toEqual({ kind: 'failed', reason })
    expect(peer.heard).toEqual([])
  })

  it('never falls back to the clear, nor hangs on an operator that speaks none', async () => {
    const peer = new Peer(binding())
    const session = await sessionWith(peer, { tls: {}, connectMs: 500 })
    expect(await bind(session)).toMatchObject({ kind: 'failed' })
    expect(peer.heard).toEqual([])
  })
})
