import type { Outcome } from '../../../streams/domain/statuses.ts'

/**
 * What the four independent witnesses say after a run: Postgres, the topics, NATS, and the
 * operator's own log. The invariants are checked from these alone (invariants.ts), never from what
 * a service says of itself.
 */
export interface MessageRow {
  readonly messageId: string
  readonly status: string
  readonly statusSeq: number
  readonly dlrStatus: string | null
  readonly segmentCount: number
}

export interface OutcomeEvent {
  readonly eventId: string
  readonly messageId: string
  readonly status: Outcome
}

export interface BillingRecord {
  readonly eventId: string
  readonly messageId: string
  readonly dlrStatus: string
  readonly segmentCount: number
  readonly deliveredSegments: number
}

export interface WebhookRecord {
  readonly eventId: string
  readonly messageId: string
  readonly dlrStatus: string
  /** Latest receivedAt of its segments, ms; undefined when none has one. */
  readonly lastReceiptMs: number | undefined
}

export interface StatusRecord {
  readonly eventId: string
  readonly messageId: string
  readonly seq: number
  readonly newStatus: string
}

/** One message of a NATS stream: its subject's event id and when the server stored it. */
export interface NatsRecord {
  readonly eventId: string
  readonly messageId: string
  readonly storedMs: number
}

/** One submit_sm that the operator took. */
export interface OperatorSubmit {
  readonly destination: string
  readonly text: string
  readonly index: number
  readonly total: number
  readonly duplicate: boolean
  readonly accepted: boolean
}

export interface Evidence {
  readonly rows: readonly MessageRow[]
  readonly outboxRows: number
  readonly orphanRows: number
  readonly segmentRows: readonly {
    readonly messageId: string
    readonly segmentIndex: number
    readonly status: string
  }[]
  readonly aggregated: readonly OutcomeEvent[]
  readonly billing: readonly BillingRecord[]
  readonly webhooks: readonly WebhookRecord[]
  readonly statuses: readonly StatusRecord[]
  readonly nats: {
    readonly commands: readonly NatsRecord[]
    readonly billing: readonly NatsRecord[]
    readonly webhooks: readonly NatsRecord[]
    readonly statuses: readonly NatsRecord[]
  }
  readonly submits: readonly OperatorSubmit[]
  readonly texts: readonly string[]
  /** Counted by the gateway: segments whose response never came. */
  readonly inDoubt: number
  /** Log lines that hold a destination or a text of this run. */
  readonly leaks: readonly string[]
}
