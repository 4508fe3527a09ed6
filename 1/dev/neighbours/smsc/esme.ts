import { createRequire } from 'node:module'

/**
 * An SMPP client for tests, on the session of npm `smpp`: a second opinion on every byte that the
 * simulator reads and writes. It is for tests only; what is wrong with that session is the reason
 * why the gateway has its own.
 */
export interface Esme {
  /** Every PDU that has come in, in order. */
  readonly arrived: readonly ArrivedPdu[]
  /** Status that deliver_sm is answered with; undefined leaves it without an answer. */
  answerReceiptsWith(status: number | undefined): void
  request(command: string, fields: Readonly<Record<string, unknown>>): Promise<ArrivedPdu>
  readonly closed: Promise<void>
  close(): void
}

export interface ArrivedPdu {
  readonly command: string
  readonly command_status: number
  readonly sequence_number: number
  readonly [field: string]: unknown
}

interface SmppSession {
  readonly socket: { setNoDelay(on: boolean): void }
  on(event: 'pdu', listener: (pdu: RawPdu) => void): void
  on(event: 'connect' | 'close', listener: () => void): void
  on(event: 'error', listener: (error: Error) => void): void
  send(pdu: unknown, answered?: (answer: RawPdu) => void): boolean
  destroy(): void
}

interface RawPdu extends ArrivedPdu {
  response(fields: Readonly<Record<string, unknown>>): unknown
}

interface SmppModule {
  connect(options: { readonly host: string; readonly port: number }): SmppSession
  readonly PDU: new (command: string, fields: Readonly<Record<string, unknown>>) => unknown
}

const smpp = loadSmpp()

/** Resolves when the TCP connection stands; nothing is bound yet. */
export async function connectEsme(port: number): Promise<Esme> {
  const session = smpp.connect({ host: '127.0.0.1', port })
  const closed = new Promise<void>((resolve) => session.on('close', resolve))
  const arrived: ArrivedPdu[] = []
  let receiptStatus: number | undefined = 0
  session.on('pdu', (pdu) => {
    arrived.push(pdu)
    if (pdu.command === 'deliver_sm' && receiptStatus !== undefined)
      session.send(pdu.response({ command_status: receiptStatus }))
    if (pdu.command === 'enquire_link' || pdu.command === 'unbind') session.send(pdu.response({}))
  })
  await new Promise<void>((resolve, reject) => {
    session.on('connect', resolve)
    session.on('error', reject)
  })
  session.socket.setNoDelay(true)
  return {
    arrived,
    closed,
    answerReceiptsWith: (status) => {
      receiptStatus = status
    },
    request: (command, fields) => request(session, command, fields),
    close: () => session.destroy(),
  }
}

const request = (
  session: SmppSession,
  command: string,
  fields: Readonly<Record<string, unknown>>,
): Promise<ArrivedPdu> =>
  new Promise((resolve) => {
    session.send(new smpp.PDU(command, fields), resolve)
  })

function loadSmpp(): SmppModule {
  const loaded: unknown = createRequire(import.meta.url)('smpp')
  if (!isSmpp(loaded)) throw new Error('npm smpp does not export what it did')
  return loaded
}

function isSmpp(loaded: unknown): loaded is SmppModule {
  return typeof loaded === 'object' && loaded !== null && 'connect' in loaded && 'PDU' in loaded
}
