import { backoffMs, type Sleep } from '../../streams/platform/backoff.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import type { Timings } from '../config.ts'
import { fingerprintOf, type FetchCredentials } from './credentials.ts'
import type { OperatorMetrics } from '../metrics.ts'
import type { BindEnd } from './states.ts'

export interface PauseOptions {
  readonly operatorId: string
  readonly timings: Timings
  readonly fetchCredentials: FetchCredentials
  readonly metrics: OperatorMetrics
  readonly logger: Logger
  readonly sleep: Sleep
  readonly random: () => number
}

const JITTER = 0.2

/**
 * Waits before the next bind, until `signal` at the latest: longer after each failure [B12], and
 * after refused credentials until there are other ones [B14]. `attempt` counts from 1 since the
 * last good bind.
 */
export async function pauseAfter(
  last: BindEnd,
  attempt: number,
  options: PauseOptions,
  signal: AbortSignal,
): Promise<void> {
  if (last.kind === 'refused') return pauseRefused(last.fingerprint, options, signal)
  const { timings, random, sleep } = options
  const { reconnectFirstMs: firstMs, reconnectMaxMs: maxMs } = timings
  await sleep(backoffMs(attempt, { firstMs, maxMs, jitter: JITTER, random }), signal)
}

async function pauseRefused(fingerprint: string, options: PauseOptions, signal: AbortSignal): Promise<void> {
  const { operatorId, fetchCredentials, metrics, logger, sleep, timings } = options
  logger.error('smpp.bind.paused', { operatorId, reason: 'credentials refused' })
  metrics.bindPaused(true)
  while (!signal.aborted) {
    await sleep(timings.credentialsPollMs, signal)
    const reply = signal.aborted ? undefined : await fetchCredentials(operatorId)
    if (reply?.kind === 'found' && fingerprintOf(reply.credentials) !== fingerprint) break
  }
  metrics.bindPaused(false)
}
