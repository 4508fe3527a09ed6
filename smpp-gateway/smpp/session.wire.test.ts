import { createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createFramer } from './framing.ts'
import { decodePdu, encodePdu, type Pdu } from './pdu.ts'
import { Session, type SessionOptions } from './session.ts'

/** A peer that speaks what the test says, byte for byte. */
class Peer {
  readonly heard: Pdu[] = []
  #socket: Socket | undefined
  readonly #server = createServer((socket) => {
    this.#socket = socket
    const framer = createFramer()
    socket.on('data', (chunk: Buffer) => {
      for (const frame of framer.push(chunk).frames) this.#take(frame)
    })
    socket.on('error', () => undefined)
  })
  readonly #answer: (pdu: Pdu) => readonly Buffer[]

  constructor(answer: (pdu: Pdu) => readonly Buffer[]) {
    this.#answer = answer
  }

  #take(frame: Buffer): void {
    const read = decodePdu(frame)
    if (!read.ok) return
    this.heard.push(read.pdu)
    const answer = this.#answer(read.pdu)
    // One write is one TCP segment: the reader finds all of it in one read.
    if (answer.length > 0) this.send(Buffer.concat(answer))
  }

  send(bytes: Buffer): void {
    this.#socket?.write(bytes)
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return address.port
  }

  close(): void {
    this.#socket?.destroy()
    this.#server.close()
  }
}

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const RECEIPT_TEXT =
  'id:1 sub:001 dlvrd:001 submit date:2611280900 done date:2611280901 stat:DELIVRD err:000 text:'
const deliver = (sequence: number, text = RECEIPT_TEXT): Buffer =>
  encodePdu('deliver_sm', sequence, { esm_class: 4, short_message: Buffer.from(text, 'latin1') })

async function sessionWith(peer: Peer, change: Partial<SessionOptions> = {}): Promise<Session> {
  const port = await peer.listen()
  closing.push(() => peer.close())
  const session = new Session({
    id: 'session',
    host: '127.0.0.1',
    port,
    connectMs: 5_000,
    bindMs: 5_000,
    responseMs: 5_000,
    enquireLinkMs: 30_000,
    enquireLinkTimeoutMs: 10_000,
    unbindMs: 1_000,
    hooks: { sent: () => {}, received: () => {}, enquireLinkTimedOut: () => {}, strayResponse: () => {} },
    onDeliver: () => Promise.resolve(0),
    onClosed: () => {},
    ...change,
  })
  closing.push(() => session.drop('end of the test'))
  return session
}

const bind = (session: Session) =>
  session.bind('bind_transceiver', { system_id: 'us', password: 'secret', interface_version: 0x34 })

const bound = ({ sequence }: Pdu): Buffer =>
  encodePdu('bind_transceiver_resp', sequence, { system_id: 'them' })

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
    const hooks = { sent: () => {}, received: () => {}, strayResponse: () => {} }
    const session = await sessionWith(peer, {
      enquireLinkMs: 150,
      enquireLinkTimeoutMs: 2_000,
      hooks: { ...hooks, enquireLinkTimedOut: () => (timedOut += 1) },
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
