import { operatorHealth, type OperatorHealth } from '../../streams/contracts/operators.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { healthEventId } from '../../streams/domain/event-id.ts'
import type { HealthStatus } from './states.ts'
import type { Publisher } from '../publisher.ts'

export interface HealthOptions {
  readonly operatorId: string
  readonly publisher: Publisher
  readonly heartbeatMs: number
  /** Epoch ms. */
  readonly now: () => number
}

/**
 * Tells the neighbours how one operator is [B17]: every change in order, and a heartbeat while
 * nothing changes.
 */
export interface Health {
  /** Publishes when `status` differs from the last one; a repeated failure is no news. */
  report(status: HealthStatus, reason: string, operatorName: string): void
  /** Resolves when what was reported is published, or cannot be before `signal` aborts. */
  flush(): Promise<void>
  /** Another process tells from now on; the next report starts anew. */
  silence(): void
  close(): void
}

/** Changes waiting for NATS; the oldest are dropped, because the last one tells how things are. */
const WAITING_MAX = 100
const HEARTBEAT = 'heartbeat'

export function createHealth(options: HealthOptions): Health {
  const { operatorId, publisher, now } = options
  const closing = new AbortController()
  const waiting: OperatorHealth[] = []
  let last: { readonly status: HealthStatus; readonly operatorName: string } | undefined
  let lastAt = 0
  let draining: Promise<void> = Promise.resolve()

  const drain = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      await publisher.publishUntilHeld(operatorHealth, next, closing.signal)
  }
  const announce = (status: HealthStatus, reason: string, operatorName: string): void => {
    // Two events of one millisecond would share their id, and the second would count as a
    // repetition of the first.
    lastAt = Math.max(now(), lastAt + 1)
    const occurredAt = new Date(lastAt).toISOString()
    const previousStatus = last?.status ?? null
    last = { status, operatorName }
    if (waiting.length >= WAITING_MAX) waiting.shift()
    waiting.push({
      schemaVersion: SCHEMA_VERSION,
      version: SCHEMA_VERSION,
      occurredAt,
      eventId: healthEventId({ operatorId, status, occurredAt }),
      operatorId,
      operatorName,
      status,
      previousStatus,
      reason,
    })
    if (waiting.length === 1) draining = draining.then(drain)
  }
  const heartbeat = setInterval(() => {
    if (last !== undefined && waiting.length === 0) announce(last.status, HEARTBEAT, last.operatorName)
  }, options.heartbeatMs)

  return {
    report: (status, reason, operatorName) => {
      if (status !== last?.status) announce(status, reason, operatorName)
    },
    flush: () => draining,
    silence: () => {
      last = undefined
    },
    close: () => {
      clearInterval(heartbeat)
      closing.abort()
    },
  }
}
