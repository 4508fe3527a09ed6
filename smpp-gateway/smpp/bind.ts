import type { Credentials } from '../operator/credentials.ts'
import type { PduFields } from './pdu.ts'
import { Session, type BindCommand, type SessionOptions, type SubmitReply } from './session.ts'
import { ESME_RINVCMDID, isBindRefusal } from './status-class.ts'

export type BindMode = 'TRANSCEIVER' | 'TRANSMITTER' | 'RECEIVER' | 'TRANSMITTER+RECEIVER'

/**
 * What an operator's bind gives us: one session, or two when the operator knows no transceivers.
 */
export interface OperatorBind {
  readonly mode: BindMode
  readonly canSubmit: boolean
  submit(fields: PduFields): Promise<SubmitReply>
  /**
   * Resolves with the reason as soon as one of its sessions has closed; the other is closed as well
   * then.
   */
  readonly closed: Promise<string>
  /** Orderly: open responses get `drainMs`. */
  unbind(drainMs: number): Promise<void>
  drop(reason: string): void
}

export type OperatorBindReply =
  | { readonly kind: 'bound'; readonly bind: OperatorBind }
  /** The operator refuses the credentials: without other ones a retry is pointless [B14]. */
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'failed'; readonly reason: string }

export type OperatorBindOptions = Omit<SessionOptions, 'host' | 'port' | 'onClosed' | 'id'> & {
  readonly newId: () => string
}

const INTERFACE_VERSION = 0x34

const BINDS: Readonly<Record<BindMode, readonly BindCommand[]>> = {
  TRANSCEIVER: ['bind_transceiver'],
  TRANSMITTER: ['bind_transmitter'],
  RECEIVER: ['bind_receiver'],
  'TRANSMITTER+RECEIVER': ['bind_transmitter', 'bind_receiver'],
}

/**
 * Binds as the credentials say [B8]. An operator that knows no transceivers gets a transmitter and
 * a receiver [B9].
 */
export async function bindOperator(
  credentials: Credentials,
  options: OperatorBindOptions,
): Promise<OperatorBindReply> {
  const reply = await bindAs(credentials.bindMode, credentials, options)
  const knowsNoTransceiver = reply.kind === 'failed' && reply.status === ESME_RINVCMDID
  if (credentials.bindMode !== 'TRANSCEIVER' || !knowsNoTransceiver) return reply
  return bindAs('TRANSMITTER+RECEIVER', credentials, options)
}

type ModeReply = OperatorBindReply & { readonly status?: number }

async function bindAs(
  mode: BindMode,
  credentials: Credentials,
  options: OperatorBindOptions,
): Promise<ModeReply> {
  const { closed, onClosed } = closing()
  const { host, port, systemId, password, systemType } = credentials
  const fields = {
    system_id: systemId,
    password,
    system_type: systemType,
    interface_version: INTERFACE_VERSION,
  }
  const sessions: Session[] = []
  const dropAll = (reason: string): void => {
    for (const session of sessions) session.drop(reason)
  }
  for (const command of BINDS[mode]) {
    const session = new Session({ ...options, host, port, onClosed, id: options.newId() })
    sessions.push(session)
    const reply = await session.bind(command, fields)
    if (reply.kind === 'bound') continue
    dropAll('bind incomplete')
    return reply.kind === 'failed' ? reply : refusal(reply.status)
  }
  return { kind: 'bound', bind: operatorBindOf(mode, sessions, closed, dropAll) }
}

const refusal = (status: number): ModeReply =>
  isBindRefusal(status)
    ? { kind: 'refused', status }
    : { kind: 'failed', status, reason: `bind answered 0x${status.toString(16).padStart(2, '0')}` }

function operatorBindOf(
  mode: BindMode,
  sessions: readonly Session[],
  closed: Promise<string>,
  drop: (reason: string) => void,
): OperatorBind {
  const submitter = mode === 'RECEIVER' ? undefined : sessions[0]
  let isUnbinding = false
  void closed.then((reason) => {
    if (!isUnbinding) drop(reason)
  })
  return {
    mode,
    closed,
    drop,
    canSubmit: submitter !== undefined,
    submit: (fields) => submitter?.submit(fields) ?? Promise.resolve({ kind: 'not_sent' }),
    unbind: async (drainMs) => {
      isUnbinding = true
      // The transmitter first: receipts of what it still sends can come while it drains.
      for (const session of sessions) await session.unbind(drainMs)
    },
  }
}

function closing(): { closed: Promise<string>; onClosed: (reason: string) => void } {
  const listeners: ((reason: string) => void)[] = []
  const closed = new Promise<string>((resolve) => listeners.push(resolve))
  return { closed, onClosed: (reason) => listeners.forEach((listener) => listener(reason)) }
}
