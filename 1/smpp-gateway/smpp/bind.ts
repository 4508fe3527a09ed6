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
  /** How many binds it stands for. */
  readonly binds: number
  /** While its transmitting session is bound and not about to end. */
  readonly canSubmit: boolean
  submit(fields: PduFields): Promise<SubmitReply>
  /**
   * Resolves when all of its sessions have closed, with the reason of the first: until then the
   * operator counts a bind of ours. When one ends, the other ends as well, in order.
   */
  readonly closed: Promise<string>
  /** Resolves as soon as one of its sessions begins to end or has closed. */
  readonly leaving: Promise<void>
  /** Orderly: open responses get `drainMs`. */
  unbind(drainMs: number, reason?: string): Promise<void>
  /** The operator wants the session to end [ST5]: what it has open it may still answer. */
  leave(reason: string): void
  drop(reason: string): void
  /** Binds at once what it waits with [AD5]. */
  retry(): void
}

export type OperatorBindReply =
  | { readonly kind: 'bound'; readonly bind: OperatorBind }
  /** The operator refuses the credentials: without other ones a retry is pointless [B14]. */
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'failed'; readonly reason: string }

export type OperatorBindOptions = Omit<SessionOptions, 'host' | 'port' | 'onLeaving' | 'onClosed' | 'id'> & {
  /** Instead of the credentials' mode, where the profile names one. */
  readonly bindMode: BindMode | undefined
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
  const mode = options.bindMode ?? credentials.bindMode
  const reply = await bindAs(mode, credentials, options)
  const knowsNoTransceiver = reply.kind === 'failed' && reply.status === ESME_RINVCMDID
  if (mode !== 'TRANSCEIVER' || !knowsNoTransceiver) return reply
  return bindAs('TRANSMITTER+RECEIVER', credentials, options)
}

type ModeReply = OperatorBindReply & { readonly status?: number }

async function bindAs(
  mode: BindMode,
  credentials: Credentials,
  options: OperatorBindOptions,
): Promise<ModeReply> {
  const { leaving, onLeaving, closed, onClosed } = ending(BINDS[mode].length)
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
    const session = new Session({ ...options, host, port, onLeaving, onClosed, id: options.newId() })
    sessions.push(session)
    const reply = await session.bind(command, fields)
    if (reply.kind === 'bound') continue
    // In order, or the operator would count the first of two as bound while we try again.
    await Promise.all(sessions.map((each) => each.unbind(0, 'bind incomplete')))
    return reply.kind === 'failed' ? reply : refusal(reply.status)
  }
  const end = { leaving, closed, drop: dropAll, leaveMs: options.leaveMs }
  return { kind: 'bound', bind: operatorBindOf(mode, sessions, end) }
}

const refusal = (status: number): ModeReply =>
  isBindRefusal(status)
    ? { kind: 'refused', status }
    : { kind: 'failed', status, reason: `bind answered 0x${status.toString(16).padStart(2, '0')}` }

interface BindEnd {
  readonly leaving: Promise<void>
  readonly closed: Promise<string>
  readonly leaveMs: number
  readonly drop: (reason: string) => void
}

function operatorBindOf(
  mode: BindMode,
  sessions: readonly Session[],
  { leaving, closed, leaveMs, drop }: BindEnd,
): OperatorBind {
  const submitter = mode === 'RECEIVER' ? undefined : sessions[0]
  let isUnbinding = false
  const unbind = async (drainMs: number, reason?: string): Promise<void> => {
    isUnbinding = true
    // The transmitter first: receipts of what it still sends can come while it drains.
    for (const session of sessions) await session.unbind(drainMs, reason)
  }
  const leave = (reason: string): void => {
    if (!isUnbinding) void unbind(leaveMs, reason)
  }
  // What is open with the other session may still be answered.
  void leaving.then(() => leave('the other session ends'))
  return {
    mode,
    binds: 1,
    leaving,
    closed,
    drop,
    retry: () => {},
    unbind,
    leave,
    get canSubmit() {
      return submitter?.canSubmit === true
    },
    submit: (fields) => submitter?.submit(fields) ?? Promise.resolve({ kind: 'not_sent' }),
  }
}

function ending(sessions: number) {
  const { promise: leaving, resolve: onLeaving } = deferred<void>()
  const { promise: closed, resolve } = deferred<string>()
  const reasons: string[] = []
  const onClosed = (reason: string): void => {
    onLeaving()
    reasons.push(reason)
    if (reasons.length === sessions) resolve(reasons[0] ?? reason)
  }
  return { leaving, onLeaving, closed, onClosed }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  const listeners: ((value: T) => void)[] = []
  const promise = new Promise<T>((resolve) => listeners.push(resolve))
  return { promise, resolve: (value) => listeners.forEach((listener) => listener(value)) }
}
