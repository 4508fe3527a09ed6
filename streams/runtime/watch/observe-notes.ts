import type { NoteFields } from '../../dsl/processor.ts'
import type { Note } from '../../dsl/topology.ts'
import { traceIdsOf } from '../../dsl/trace.ts'
import type { Logger } from '../../platform/logger.ts'
import { BUCKETS_B1, BUCKETS_B2, type Metrics } from '../../platform/metrics.ts'
import type { Hooks } from './hooks.ts'
import { recentFigures } from './recent-figures.ts'
import type { SpanRule } from './observe-spans.ts'
import { RecentShare } from './recent-share.ts'

/**
 * What a processor notes is translated by a table that its topology brings, so that the core knows
 * no business names.
 */
export interface NoteRule {
  /** Absent: not logged. */
  readonly level?: 'debug' | 'info' | 'warn' | 'error'
  readonly counters?: readonly NamedMetric[]
  /**
   * A histogram of the time from the record that caused the note, or the instant of its timer, to
   * the commit. Buckets [M2]: B2 unless named.
   */
  readonly age?: NamedMetric & { readonly buckets?: 'B1' }
  /** Where traces are recorded, the note is a span. */
  readonly span?: SpanRule
  /** Gauges of what is so at present, each from the field `of`; gone when it is absent or old. */
  readonly gauges?: readonly (NamedMetric & { readonly of: string })[]
  /** The note counts in a gauge: how many percent of the wholes of the last minutes are parts. */
  readonly share?: { readonly name: string; readonly help: string; readonly side: 'part' | 'whole' }
}
export type NoteRules = Readonly<Record<string, NoteRule>>

interface NamedMetric {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}

type Told = (note: Note) => void

export function observeNotes(
  logger: Logger,
  metrics: Metrics,
  rules: NoteRules,
  now: () => number,
): Hooks['noted'] {
  const told: readonly Told[] = [
    count(metrics, rules),
    measureAges(metrics, rules, now),
    gaugeShares(metrics, rules, now),
    gaugeFigures(metrics, rules, now),
    (note) => {
      const level = rules[note.event]?.level
      if (level !== undefined) logger[level](note.event, withTrace(note))
    },
  ]
  return (_, notes) => {
    for (const note of notes) {
      // What a replay does again was counted and logged when it happened [M3].
      if (note.replayed) continue
      for (const tell of told) tell(note)
    }
  }
}

function count(metrics: Metrics, rules: NoteRules): Told {
  const counters = new Map(
    Object.values(rules)
      .flatMap((rule) => rule.counters ?? [])
      .map(({ name, help, labels }) => [name, metrics.counter(name, help, labels)]),
  )
  return ({ event, fields }) => {
    for (const { name, labels } of rules[event]?.counters ?? [])
      counters.get(name)?.inc(labelsOf(fields, labels))
  }
}

function measureAges(metrics: Metrics, rules: NoteRules, now: () => number): Told {
  const ages = new Map(
    Object.entries(rules).flatMap(([event, { age }]) =>
      age === undefined
        ? []
        : [
            [
              event,
              {
                ...age,
                histogram: metrics.histogram(
                  age.name,
                  age.help,
                  age.buckets === 'B1' ? BUCKETS_B1 : BUCKETS_B2,
                  age.labels,
                ),
              },
            ],
          ],
    ),
  )
  return ({ event, fields, at }) => {
    const age = ages.get(event)
    age?.histogram.observe(labelsOf(fields, age.labels), Math.max(0, now() - at) / 1000)
  }
}

function gaugeShares(metrics: Metrics, rules: NoteRules, now: () => number): Told {
  const shares = new Map<string, RecentShare>()
  for (const { share } of Object.values(rules)) {
    if (share === undefined || shares.has(share.name)) continue
    const recent = new RecentShare(now)
    shares.set(share.name, recent)
    const gauge = metrics.gauge<never>(share.name, share.help, [], (): void => gauge.set(recent.percent()))
  }
  return ({ event }) => {
    const share = rules[event]?.share
    if (share !== undefined) shares.get(share.name)?.add(share.side)
  }
}

function gaugeFigures(metrics: Metrics, rules: NoteRules, now: () => number): Told {
  const figures = new Map(
    Object.values(rules)
      .flatMap((rule) => rule.gauges ?? [])
      .map(({ name, help, labels }) => [name, recentFigures(metrics, { name, help, labels }, now)]),
  )
  return ({ event, fields }) => {
    for (const { name, labels, of } of rules[event]?.gauges ?? [])
      figures.get(name)?.(labelsOf(fields, labels), fields[of])
  }
}

const withTrace = ({ fields, trace }: Note): NoteFields =>
  trace === undefined ? fields : { ...fields, ...traceIdsOf(trace) }

/** Label `operator_id` is the field operatorId: metrics speak snake_case [M1]. */
const labelsOf = (fields: NoteFields, labels: readonly string[]): Record<string, string> =>
  Object.fromEntries(labels.map((label) => [label, String(fields[camelOf(label)] ?? fields[label] ?? '')]))

const camelOf = (label: string): string =>
  label.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
