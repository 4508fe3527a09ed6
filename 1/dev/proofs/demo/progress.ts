import { Pool } from 'pg'
import { z } from 'zod'
import type { Platform } from '../../local/platform.ts'
import type { Expected } from './plan.ts'
import { hasOutcome } from './invariants.ts'
import type { Accepted } from './traffic.ts'

/**
 * Watches a run from Postgres: how far its messages have come, and whether all have come to their
 * end.
 */
export interface Stage {
  readonly rows: number
  readonly waiting: number
  readonly sent: number
  readonly outcomes: number
  readonly unsent: number
  readonly orphans: number
}

const Counted = z.object({ status: z.string(), decided: z.boolean(), n: z.number() })
const BEFORE_SENT = new Set(['QUEUED', 'ROUTING', 'ROUTED'])

export class Watch {
  readonly #pool: Pool

  constructor(platform: Platform) {
    this.#pool = new Pool({ connectionString: platform.stack.databaseUrl, max: 2 })
  }

  async stage(): Promise<Stage> {
    const { rows } = await this.#pool.query(
      'SELECT status, dlr_status IS NOT NULL AS decided, count(*)::int AS n FROM orch.sms_messages GROUP BY 1, 2',
    )
    const counts = z.array(Counted).parse(rows)
    const sum = (accept: (row: z.infer<typeof Counted>) => boolean): number =>
      counts.filter(accept).reduce((total, row) => total + row.n, 0)
    return {
      rows: sum(() => true),
      waiting: sum((row) => BEFORE_SENT.has(row.status)),
      sent: sum((row) => row.status === 'SENT'),
      outcomes: sum((row) => row.decided),
      unsent: sum((row) => !row.decided && (row.status === 'FAILED' || row.status === 'DEAD_LETTER')),
      orphans: await this.#count('dlr.orphan_dlrs'),
    }
  }

  outboxRows(): Promise<number> {
    return this.#count('orch.outbox')
  }

  async #count(table: string): Promise<number> {
    const { rows } = await this.#pool.query(`SELECT count(*)::int AS n FROM ${table}`)
    return z.array(z.object({ n: z.number() })).parse(rows)[0]?.n ?? 0
  }

  close(): Promise<void> {
    return this.#pool.end()
  }
}

/** Whose receipts, one a segment, match nothing. */
const isOrphaned = ({ message }: Accepted): boolean => message.expected === 'SENT'

/**
 * The counts at which every accepted message has come to the end that its plan names; `start` was
 * there before.
 */
export function goalOf(accepted: readonly Accepted[], start: Stage): Stage {
  const count = (accept: (expected: Expected) => boolean): number =>
    accepted.filter(({ message }) => accept(message.expected)).length
  return {
    rows: start.rows + accepted.length,
    waiting: 0,
    sent: start.sent + count((expected) => expected === 'SENT'),
    outcomes: start.outcomes + count(hasOutcome),
    unsent: start.unsent + count((expected) => expected === 'FAILED_UNSENT' || expected === 'DEAD_LETTER'),
    orphans:
      start.orphans + accepted.filter(isOrphaned).reduce((sum, { message }) => sum + message.segments, 0),
  }
}

export const reached = (stage: Stage, goal: Stage): boolean =>
  stage.waiting === 0 &&
  stage.rows >= goal.rows &&
  stage.outcomes >= goal.outcomes &&
  stage.unsent >= goal.unsent &&
  stage.orphans >= goal.orphans

export const HEADER = '   time   accepted     stored    waiting       sent   outcomes     unsent'

export const line = (elapsedMs: number, accepted: number, stage: Stage): string =>
  [
    `${(elapsedMs / 1000).toFixed(1)} s`.padStart(7),
    ...[accepted, stage.rows, stage.waiting, stage.sent, stage.outcomes, stage.unsent].map((n) =>
      String(n).padStart(10),
    ),
  ].join(' ')
