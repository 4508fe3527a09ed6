import type { OutboundRequest, StatusEvent } from '../../../streams/contracts/outbound.ts'
import { eventId, HOUR_MS, instant, operatorOf } from './checks/ids.ts'
import { canonical, headerOf, type Complain, type Reading } from './readings.ts'

/** The table of transitions, [T1] to [T15], stated again. */
const LEGAL: Readonly<Record<string, readonly string[]>> = {
  none: ['QUEUED', 'SCHEDULED'],
  SCHEDULED: ['QUEUED', 'CANCELLED'],
  QUEUED: ['FAILED', 'ROUTING'],
  ROUTING: ['ROUTED', 'FAILED', 'ROUTING', 'DEAD_LETTER'],
  ROUTED: ['SENT', 'DEAD_LETTER'],
  SENT: ['DELIVERED', 'UNDELIVERED', 'EXPIRED', 'REJECTED', 'FAILED', 'PARTIAL'],
  DEAD_LETTER: ['ROUTING'],
}

/** One message, recomputed from its request and the path that its status events tell. */
export class Journey {
  readonly #request: OutboundRequest
  readonly #orders: readonly Reading<OutboundRequest>[]
  readonly #statuses: readonly StatusEvent[]

  constructor(
    request: OutboundRequest,
    read: readonly Reading<OutboundRequest>[],
    statuses: readonly StatusEvent[],
  ) {
    this.#request = request
    this.#orders = read.filter(({ record }) => headerOf(record, 'dead-letter-replay') !== undefined)
    this.#statuses = statuses
  }

  get path(): readonly string[] {
    return this.#statuses.map(({ newStatus }) => newStatus)
  }

  checkPath(say: Complain): void {
    let previous: StatusEvent | undefined
    let attempts = 0
    for (const [index, status] of this.#statuses.entries()) {
      const isRetry = status.newStatus === 'ROUTING' && previous?.newStatus === 'ROUTING'
      if (isRetry) attempts += 1
      else if (status.newStatus === 'ROUTING') attempts = 0
      if (status.seq !== index + 1) say(`status ${index + 1} has seq ${status.seq}`)
      if (status.attemptCount !== attempts)
        say(`seq ${status.seq} counts ${status.attemptCount} retries, not ${attempts}`)
      this.#checkStep(say, status, previous)
      previous = status
    }
  }

  #checkStep(say: Complain, status: StatusEvent, previous: StatusEvent | undefined): void {
    const { newStatus, seq, messageId } = status
    const from = previous?.newStatus ?? null
    if (status.previousStatus !== from) say(`${newStatus} follows ${status.previousStatus}, not ${from}`)
    if (LEGAL[from ?? 'none']?.includes(newStatus) !== true) say(`${from} may not become ${newStatus}`)
    if (status.eventId !== eventId('status', messageId, seq)) say(`seq ${seq} has a foreign event id`)
    if (previous !== undefined && status.occurredAt < previous.occurredAt) say(`time runs back at seq ${seq}`)
    this.#checkDeath(say, status)
  }

  #checkDeath(say: Complain, { newStatus, previousStatus, attemptCount, seq }: StatusEvent): void {
    if (newStatus === 'DEAD_LETTER' && attemptCount !== 3) say(`given up after ${attemptCount} retries`)
    if (previousStatus === 'DEAD_LETTER' && !this.isOrdered(seq - 1))
      say(`nobody ordered the replay of seq ${seq - 1}`)
  }

  /** Whether somebody ordered the replay of the dead letter at `seq`. */
  isOrdered(seq: number): boolean {
    const wanted = `${eventId('deadletter', this.#request.messageId, seq)}:${seq}`
    return this.#orders.some(({ record }) => headerOf(record, 'dead-letter-replay') === wanted)
  }

  retries(): string[] {
    return this.#after('ROUTING', 'ROUTING').map(({ seq, occurredAt, attemptCount, error }) =>
      canonical({
        ...this.#envelope('retry', seq, occurredAt),
        ...this.#ids,
        attempt: attemptCount,
        reason: error?.code,
        failedAt: occurredAt,
        nextAttemptAt: instant(Date.parse(occurredAt) + 1000 * 2 ** (attemptCount - 1)),
        enqueuedAt: this.#request.enqueuedAt,
      }),
    )
  }

  deadLetters(): string[] {
    const dead = this.#statuses.filter(
      ({ newStatus, previousStatus }) =>
        newStatus === 'DEAD_LETTER' || (newStatus === 'FAILED' && previousStatus !== 'SENT'),
    )
    return dead.map(({ seq, occurredAt, attemptCount, newStatus, error }) =>
      canonical({
        ...this.#content(seq),
        ...this.#envelope('deadletter', seq, occurredAt),
        attemptCount,
        reason: error?.code,
        failureReason: error?.detail,
        finalStatus: newStatus,
        seq,
        failedAt: occurredAt,
      }),
    )
  }

  commands(): string[] {
    return this.#after('ROUTED', 'SENT').map(({ seq, occurredAt, operatorId = '', routeId }) =>
      canonical({
        ...this.#content(seq),
        ...this.#envelope('dispatch', seq, occurredAt),
        longMessageStrategy: operatorOf(operatorId).wire,
        operatorId,
        routeId,
        routedAt: occurredAt,
      }),
    )
  }

  facts(): string[] {
    const { to, segmentCount, enqueuedAt, callbackUrl, metadata } = this.#request
    return this.#after('ROUTED', 'SENT').map(({ seq, occurredAt, operatorId = '' }) =>
      canonical({
        ...this.#envelope('expected', seq, occurredAt),
        kind: 'EXPECTED',
        ...this.#ids,
        to,
        operatorId,
        segmentCount,
        expectedSegments: operatorOf(operatorId).wire === 'TLV' ? 1 : segmentCount,
        sentAt: occurredAt,
        enqueuedAt,
        callbackUrl,
        metadata,
      }),
    )
  }

  #after(from: string, to: string): readonly StatusEvent[] {
    return this.#statuses.filter(
      ({ previousStatus, newStatus }) => previousStatus === from && newStatus === to,
    )
  }

  /** A replay moves the expiry [O4]; `seq` is that of the event that carries the content. */
  #content(seq: number): object {
    const revived = this.#statuses.findLast(
      (status) => status.previousStatus === 'DEAD_LETTER' && status.seq <= seq,
    )
    if (revived === undefined) return this.#request
    const died = revived.seq - 1
    const wanted = `${eventId('deadletter', this.#request.messageId, died)}:${died}`
    const orders = this.#orders.filter(({ record }) => headerOf(record, 'dead-letter-replay') === wanted)
    // Of several, one may have been lost with its topic before anybody read it.
    const isTaken = ({ record }: Reading<OutboundRequest>) => instant(record.timestamp) === revived.occurredAt
    const order = orders.find(isTaken) ?? orders[0]
    if (order === undefined) return this.#request
    return { ...this.#request, expiresAt: instant(order.record.timestamp + 48 * HOUR_MS) }
  }

  #envelope(kind: string, seq: number, occurredAt: string) {
    return { schemaVersion: '1.0', eventId: eventId(kind, this.#request.messageId, seq), occurredAt }
  }

  get #ids() {
    const { messageId, tenantId, accountId } = this.#request
    return { messageId, tenantId, accountId }
  }
}
