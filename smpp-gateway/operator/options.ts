import type { Carrier } from '../submit/carrier.ts'
import type { OperatorSettings } from '../config.ts'
import type { Health } from './health-events.ts'
import type { OperatorBindOptions } from '../smpp/bind.ts'
import type { PauseOptions } from './next-bind.ts'
import type { CommandQueue } from '../submit/queue.ts'
import type { WatchedState } from '../redis.ts'
import type { Throttle } from '../submit/pacing/throttle.ts'
import type { Window } from '../submit/window.ts'

export interface OperatorOptions extends PauseOptions {
  readonly settings: OperatorSettings
  readonly shared: WatchedState
  readonly health: Health
  readonly throttle: Throttle
  readonly window: Window
  /** Whether it may write is a matter of the lease. */
  readonly bind: Omit<OperatorBindOptions, 'mayWrite'>
  /** Epoch ms. */
  readonly now: () => number
  /** Monotonic ms. */
  readonly elapsed: () => number
  /**
   * Makes the queue of this operator's commands; each goes to whom `carrier` names at that moment.
   */
  readonly openQueue: (carrier: () => Carrier | undefined) => CommandQueue
  /** From now on this process works on the operator's commands; another may have done so before. */
  readonly onLeaseHeld: () => void
}
