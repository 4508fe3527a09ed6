import { BoundedMap } from '../../streams/platform/bounded-map.ts'
import { backoffMs } from '../../streams/platform/backoff.ts'

/**
 * Delays of [ST3] and [ST4], per message. As yet they are kept in memory only, so after a restart
 * they begin anew [B6].
 */
export interface Retries {
  /** 1, 2, 4 … 30 s. */
  afterThrottle(messageId: string): number
  /** 1, 2, 4 … 60 s. */
  afterFault(messageId: string): number
  forget(messageId: string): void
}

const MESSAGES_MAX = 10_000
// Redeliveries are spread by the operator's own answers; jitter would only make the delays hard to
// predict.
const WITHOUT_JITTER = { jitter: 0, random: () => 0 }

export function createRetries(): Retries {
  const attempts = new BoundedMap<string, number>(MESSAGES_MAX)
  const next = (messageId: string, maxMs: number): number => {
    const attempt = (attempts.get(messageId) ?? 0) + 1
    attempts.set(messageId, attempt)
    return backoffMs(attempt, { firstMs: 1_000, maxMs, ...WITHOUT_JITTER })
  }
  return {
    afterThrottle: (messageId) => next(messageId, 30_000),
    afterFault: (messageId) => next(messageId, 60_000),
    forget: (messageId) => attempts.delete(messageId),
  }
}
