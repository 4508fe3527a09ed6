import type { Logger } from '../../streams/platform/logger.ts'
import type { BindMode } from '../smpp/bind.ts'
import { LEASE_WAITS, type LeaseWait } from './lease.ts'
import type { Hold, OperatorState } from './states.ts'

interface About {
  readonly operatorId: string
  readonly logger: Logger
}

/** The lines of an operator's life [LG18], [LG20]. */
export function noteState(
  { operatorId, logger }: About,
  state: OperatorState,
  reason: string,
  mode: BindMode | undefined,
): void {
  if (state === 'BOUND') logger.info('smpp.session.bound', { operatorId, status: mode })
  if (state === 'UNBOUND') logger.warn('smpp.session.unbound', { operatorId, reason })
}

export function noteLeaseWait({ operatorId, logger }: About, wait: LeaseWait): void {
  const level = wait === 'holder' ? 'info' : 'warn'
  logger[level]('smpp.lease.awaited', { operatorId, reason: LEASE_WAITS[wait] })
}

export const noteLeaseAssumed = ({ operatorId, logger }: About): void =>
  logger.warn('smpp.lease.assumed', { operatorId, reason: LEASE_WAITS.redis })

export const noteHold = ({ operatorId, logger }: About, hold: Hold | null): void =>
  logger.info('smpp.session.hold', { operatorId, status: hold ?? 'none' })

/** One of several binds [B21]; the operator's own state is told by `noteState`. */
export const noteMissingBind = ({ operatorId, logger }: About, reason: string): void =>
  logger.warn('smpp.bind.missing', { operatorId, reason })

/** Nothing of the password, its length included [B15]. */
export const noteLongPassword = ({ operatorId, logger }: About): void =>
  logger.warn('smpp.credentials.long_password', { operatorId })
