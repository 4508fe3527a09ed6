import type { Addressing } from './encode.ts'
import type { OperatorMetrics } from '../metrics.ts'
import type { OperatorBind } from '../smpp/bind.ts'
import type { PduFields } from '../smpp/pdu.ts'
import type { SubmitReply } from '../smpp/session.ts'
import type { StatusOverrides } from '../../streams/contracts/operator-profile.ts'
import type { Throttle } from './pacing/throttle.ts'
import type { Window } from './window.ts'

/**
 * A bound operator as the one that carries messages: its own queue's, or with failover another's
 * [FO1]. The limits are those of the carrier, also for another's messages [TP8].
 */
export interface Carrier {
  readonly operatorId: string
  readonly addressing: Addressing
  readonly statusOverrides: StatusOverrides
  readonly tpsLimit: number
  readonly throttle: Throttle
  readonly window: Window
  readonly metrics: OperatorMetrics
  submit(fields: PduFields): Promise<SubmitReply>
  /** Ends the session in order; it is then bound again [ST5]. */
  drop(reason: string): void
}

type Parts = Pick<Carrier, 'operatorId' | 'metrics' | 'throttle' | 'window'> & {
  readonly settings: Addressing & Pick<Carrier, 'statusOverrides'>
}

/** A bound operator as a carrier. */
export const carrierOf = (
  { operatorId, settings, throttle, window, metrics }: Parts,
  bind: OperatorBind,
  tpsLimit: number,
): Carrier => ({
  operatorId,
  throttle,
  window,
  metrics,
  tpsLimit,
  addressing: settings,
  statusOverrides: settings.statusOverrides,
  submit: (fields) => bind.submit(fields),
  drop: (reason) => bind.leave(reason),
})
