import { z } from 'zod'
import type { Row } from '../../dsl/execute.ts'

/**
 * A row as stored and as written to the changelog: one record restores state and timers together.
 * JSON, because data engineers read changelogs and because V8 parses it faster than any codec
 * written in JavaScript.
 */
const Stored = z.object({
  state: z.unknown(),
  timers: z.record(z.string(), z.number()).optional(),
  replayed: z.literal(true).optional(),
  trace: z.object({ traceparent: z.string(), tracestate: z.exactOptional(z.string()) }).optional(),
})

export function encodeRow(row: Row): string {
  const timers = hasTimers(row) ? row.timers : undefined
  return JSON.stringify({
    state: row.state,
    timers,
    replayed: row.replayed ? true : undefined,
    trace: row.trace,
  })
}

const NO_TIMERS: Readonly<Record<string, number>> = {}

/**
 * Throws when the bytes are not a row of this schema: a store or a changelog is then broken, and
 * never silently so.
 */
export function decodeRow(encoded: string, schema: z.ZodType): Row {
  const stored = Stored.parse(JSON.parse(encoded))
  return {
    state: schema.parse(stored.state),
    timers: stored.timers ?? NO_TIMERS,
    replayed: stored.replayed ?? false,
    trace: stored.trace,
  }
}

/** The timers of an encoded row without looking at its state: the restore path needs no more. */
export function timersOf(encoded: string): Readonly<Record<string, number>> {
  if (!encoded.includes('"timers":{')) return NO_TIMERS
  return Stored.parse(JSON.parse(encoded)).timers ?? NO_TIMERS
}

const hasTimers = (row: Row): boolean => {
  for (const _ in row.timers) return true
  return false
}
