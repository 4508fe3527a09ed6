import { Pool } from 'pg'
import { z } from 'zod'
import type { Platform } from '../../local/platform.ts'
import { journalOf } from '../demo/collect.ts'
import type { Accepted } from '../demo/traffic.ts'

/**
 * How long a message took, by the clocks of those who saw it: the client, the operator and
 * Postgres. All of them are on one machine.
 */
export interface Latencies {
  /** From the client's 202 to the submit_sm at the operator, ms. */
  readonly acceptToSubmit: readonly number[]
  /** From the operator's deliver_sm to the transaction in Postgres that wrote the outcome, ms. */
  readonly receiptToOutcome: readonly number[]
  /** When the last outcome was written. */
  readonly lastOutcomeMs: number
}

/** When the operator got a submit_sm and when it sent the receipt, by destination. */
export interface OperatorTimes {
  readonly submitMs: ReadonlyMap<string, number>
  readonly receiptMs: ReadonlyMap<string, number>
}

/** A destination is met once in a run. */
export function latenciesOf(
  accepted: readonly Accepted[],
  operator: OperatorTimes,
  outcomeMs: ReadonlyMap<string, number>,
): Latencies {
  return {
    acceptToSubmit: accepted.flatMap(({ message, acceptedMs }) =>
      between(acceptedMs, operator.submitMs.get(digitsOf(message.to))),
    ),
    receiptToOutcome: accepted.flatMap(({ message, messageId }) =>
      between(operator.receiptMs.get(digitsOf(message.to)), outcomeMs.get(messageId)),
    ),
    lastOutcomeMs: Math.max(...accepted.map(({ messageId }) => outcomeMs.get(messageId) ?? 0)),
  }
}

const between = (fromMs: number | undefined, toMs: number | undefined): readonly number[] =>
  fromMs === undefined || toMs === undefined ? [] : [toMs - fromMs]

const digitsOf = (address: string): string => address.replace('+', '')

const Line = z.object({ at: z.string(), kind: z.enum(['submit', 'receipt']), destination: z.string() })

export const operatorTimes = (platform: Platform): OperatorTimes => operatorTimesIn(journalOf(platform))

export function operatorTimesIn(journal: readonly string[]): OperatorTimes {
  const times = { submit: new Map<string, number>(), receipt: new Map<string, number>() }
  for (const text of journal) {
    const line = Line.safeParse(JSON.parse(text))
    if (!line.success) continue
    const { at, kind, destination } = line.data
    const digits = digitsOf(destination)
    // The first counts: what comes again was not answered in time.
    if (!times[kind].has(digits)) times[kind].set(digits, Date.parse(at))
  }
  return { submitMs: times.submit, receiptMs: times.receipt }
}

const Row = z.object({ message_id: z.string(), at: z.date() })

/**
 * The row of a receipt is written by the transaction that writes the outcome that it decides, and
 * says when that began.
 */
export async function outcomeTimes({ stack }: Platform): Promise<ReadonlyMap<string, number>> {
  const pool = new Pool({ connectionString: stack.databaseUrl, max: 1 })
  try {
    const { rows } = await pool.query('SELECT message_id, created_at AS at FROM dlr.delivery_receipts')
    return new Map(
      z
        .array(Row)
        .parse(rows)
        .map((row) => [row.message_id, row.at.getTime()]),
    )
  } finally {
    await pool.end()
  }
}
