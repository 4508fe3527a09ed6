import type { OperatorHealth } from '../../streams/contracts/operators.ts'
import type { BindMode } from '../smpp/bind.ts'

export const OPERATOR_STATES = ['DISCONNECTED', 'CONNECTING', 'BOUND', 'UNBOUND', 'FAILBACK'] as const
export type OperatorState = (typeof OPERATOR_STATES)[number]

/** [B16]. DISCONNECTED is entered from every state when the lease is lost or the process ends. */
export const OPERATOR_NEXT: Readonly<Record<OperatorState, readonly OperatorState[]>> = {
  DISCONNECTED: ['CONNECTING'],
  CONNECTING: ['BOUND', 'UNBOUND', 'DISCONNECTED'],
  BOUND: ['UNBOUND', 'DISCONNECTED'],
  UNBOUND: ['CONNECTING', 'FAILBACK', 'DISCONNECTED'],
  FAILBACK: ['BOUND', 'UNBOUND', 'DISCONNECTED'],
}

export type HealthStatus = OperatorHealth['status']

/** What the neighbours see of a state [SC12]. */
export const HEALTH_OF: Readonly<Record<OperatorState, HealthStatus>> = {
  DISCONNECTED: 'UNBOUND',
  CONNECTING: 'UNBOUND',
  BOUND: 'BOUND',
  UNBOUND: 'UNBOUND',
  FAILBACK: 'FAILBACK',
}

/**
 * What a person has asked for, until `resume` or the end of the process [H18]. `paused`: not bound.
 * `drained`: bound for receipts, and no command is taken.
 */
export type Hold = 'paused' | 'drained'

/** What the rest of the process may know of an operator [AD4]. Nothing of it is secret. */
export interface OperatorView {
  readonly operatorId: string
  readonly operatorName: string
  readonly state: OperatorState
  readonly bindMode: BindMode | null
  /** How many of the agreed binds stand. */
  readonly binds: number
  readonly lastBoundAt: string | null
  readonly reconnectAttempts: number
  readonly hold: Hold | null
}

/** How one attempt to bind ended; `ended` is the end of a good one. */
export type BindEnd =
  | { readonly kind: 'ended'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'refused'; readonly status: number; readonly fingerprint: string }

export const reasonOf = (attempt: BindEnd): string =>
  attempt.kind === 'refused'
    ? `bind refused 0x${attempt.status.toString(16).padStart(2, '0')}`
    : attempt.reason
