import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { bindOperator, type OperatorBindOptions, type OperatorBindReply } from '../bind.ts'
import { createFramer } from '../framing.ts'
import { decodePdu, encodePdu, type Pdu } from '../pdu.ts'
import { Session, type BindReply, type SessionOptions } from '../session.ts'

/** Answers of a peer to one PDU, in one TCP segment; nothing when it is silent. */
export type Answering = (pdu: Pdu) => readonly Buffer[]

/** An operator that speaks what the test says, byte for byte. */
export class Peer {
  readonly heard: Pdu[] = []
  /** Bytes that are no PDU that we know. */
  readonly unread: Buffer[] = []
  connections = 0
  open = 0
  readonly #sockets: Socket[] = []
  readonly #server: Server
  readonly #answer: Answering

  constructor(answer: Answering, tls?: TlsOptions) {
    this.#answer = answer
    const take = (socket: Socket): void => this.#accept(socket)
    this.#server = tls === undefined ? createServer(take) : createTlsServer(tls, take)
    // A client that does not trust us is no fault of the test.
    this.#server.on('tlsClientError', () => undefined)
  }

  #accept(socket: Socket): void {
    this.connections += 1
    this.open += 1
    socket.on('close', () => (this.open -= 1))
    this.#sockets.push(socket)
    const framer = createFramer()
    socket.on('data', (chunk: Buffer) => {
      for (const frame of framer.push(chunk).frames) this.#take(frame, socket)
    })
    socket.on('error', () => undefined)
  }

  #take(frame: Buffer, socket: Socket): void {
    const read = decodePdu(frame)
    if (!read.ok) return void this.unread.push(frame)
    this.heard.push(read.pdu)
    const answer = this.#answer(read.pdu)
    // One write is one TCP segment: the reader finds all of it in one read.
    if (answer.length > 0) socket.write(Buffer.concat(answer))
  }

  heardOf(command: string): readonly Pdu[] {
    return this.heard.filter((pdu) => pdu.command === command)
  }

  /** To whoever has connected last. */
  send(bytes: Buffer): void {
    this.sendTo(this.#sockets.length - 1, bytes)
  }

  sendTo(connection: number, bytes: Buffer): void {
    this.#sockets[connection]?.write(bytes)
  }

  /** `reset` tears the line down with RST. */
  hangUp(reset = false): void {
    if (reset) this.#sockets.at(-1)?.resetAndDestroy()
    else this.#sockets.at(-1)?.end()
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return address.port
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}

const closing: (() => void)[] = []
/** For `afterEach`. */
export function closePeers(): void {
  for (const close of closing.splice(0)) close()
}

export const RECEIPT_TEXT =
  'id:1 sub:001 dlvrd:001 submit date:2611280900 done date:2611280901 stat:DELIVRD err:000 text:'
export const deliver = (sequence: number, text = RECEIPT_TEXT): Buffer =>
  encodePdu('deliver_sm', sequence, { esm_class: 4, short_message: Buffer.from(text, 'latin1') })

export const HOOKS: SessionOptions['hooks'] = {
  sent: () => {},
  received: () => {},
  enquireLinkTimedOut: () => {},
  submitsUnanswered: () => {},
  strayResponse: () => {},
}

const LINK: Omit<OperatorBindOptions, 'bindMode' | 'newId'> = {
  tls: null,
  connectMs: 5_000,
  bindMs: 5_000,
  responseMs: 5_000,
  enquireLinkMs: 30_000,
  enquireLinkTimeoutMs: 10_000,
  unbindMs: 1_000,
  leaveMs: 5_000,
  unansweredMs: 60_000,
  mayWrite: () => true,
  elapsed: () => performance.now(),
  hooks: HOOKS,
  onDeliver: () => Promise.resolve(0),
}

export async function sessionWith(peer: Peer, change: Partial<SessionOptions> = {}): Promise<Session> {
  const port = await peer.listen()
  closing.push(() => peer.close())
  const session = new Session({
    ...LINK,
    id: 'session',
    host: '127.0.0.1',
    port,
    onLeaving: () => {},
    onClosed: () => {},
    ...change,
  })
  closing.push(() => session.drop('end of the test'))
  return session
}

/** Two sessions, a transmitter and then a receiver. */
export async function pairWith(
  peer: Peer,
  change: Partial<OperatorBindOptions> = {},
): Promise<OperatorBindReply> {
  const port = await peer.listen()
  closing.push(() => peer.close())
  const credentials = {
    operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
    host: '127.0.0.1',
    port,
    systemId: 'us',
    password: 'secret',
    systemType: '',
    tpsLimit: 1,
    bindMode: 'TRANSCEIVER' as const,
    backupOperatorId: null,
  }
  const bindMode = 'TRANSMITTER+RECEIVER' as const
  const reply = await bindOperator(credentials, { ...LINK, bindMode, newId: () => 'session', ...change })
  if (reply.kind === 'bound') closing.push(() => reply.bind.drop('end of the test'))
  return reply
}

export const bind = (session: Session): Promise<BindReply> =>
  session.bind('bind_transceiver', { system_id: 'us', password: 'secret', interface_version: 0x34 })

export const bound = ({ sequence }: Pdu): Buffer =>
  encodePdu('bind_transceiver_resp', sequence, { system_id: 'them' })

/** Binds whoever asks, and answers the rest as told. */
export const binding =
  (others: Answering = () => []): Answering =>
  (pdu) =>
    pdu.command === 'bind_transceiver' ? [bound(pdu)] : others(pdu)

export const SUBMIT = {
  source_addr: 'GHASI',
  destination_addr: '447700900123',
  short_message: Buffer.from('x'),
}

/** A session that is bound, with all that the test may look at. */
export async function boundTo(
  answer: Answering = () => [],
  change: Partial<SessionOptions> = {},
  tls?: TlsOptions,
) {
  const peer = new Peer(binding(answer), tls)
  const reasons: string[] = []
  let strays = 0
  const taken: Pdu[] = []
  const session = await sessionWith(peer, {
    onClosed: (reason) => reasons.push(reason),
    hooks: { ...HOOKS, strayResponse: () => (strays += 1) },
    onDeliver: (pdu) => {
      taken.push(pdu)
      return Promise.resolve(0)
    },
    ...change,
  })
  const reply = await bind(session)
  if (reply.kind !== 'bound') throw new Error(reply.kind)
  return { peer, session, reasons, taken, strays: () => strays }
}
