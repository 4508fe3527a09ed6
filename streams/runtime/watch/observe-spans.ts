import type { NoteFields } from '../../dsl/processor.ts'
import { isSampled } from '../../dsl/trace.ts'
import { contextFrom, tellSpan } from '../../platform/tracing.ts'
import type { Hooks } from './hooks.ts'
import type { NoteRules } from './observe-notes.ts'

/** The span of a note. `{stage}` in its name stands for the note's field. */
export interface SpanRule {
  readonly name: string
  /** The span of all that a record, or a timer, did for a message at once. */
  readonly within?: string
}

/**
 * The handlers of a round are done in microseconds, and what they did is true once it is committed:
 * so their spans are told then, from the instant of the record or timer to the commit, as children
 * of whatever caused the record. Nothing is done for a trace that nobody records.
 */
export function observeSpans(rules: NoteRules, now: () => number): Hooks['noted'] {
  return (_, notes) => {
    const endMs = now()
    const wholes = new Map<string, ReturnType<typeof tellSpan>>()
    for (const note of notes) {
      const rule = rules[note.event]?.span
      if (rule === undefined || note.replayed || note.trace === undefined || !isSampled(note.trace)) continue
      let parent = contextFrom({ ...note.trace })
      const settings = { startMs: note.at, attributes: attributesOf(note.fields) }
      if (rule.within !== undefined) {
        const key = `${note.trace.traceparent} ${note.fields['messageId']} ${note.at}`
        const whole = wholes.get(key) ?? tellSpan(TRACER, rule.within, { ...settings, parent })
        wholes.set(key, whole)
        parent = whole.within
      }
      tellSpan(TRACER, nameOf(rule.name, note.fields), { ...settings, parent }).end(endMs)
    }
    for (const whole of wholes.values()) whole.end(endMs)
  }
}

const TRACER = 'topologies'

const nameOf = (name: string, fields: NoteFields): string =>
  name.replace(/\{(\w+)\}/g, (_, field: string) => String(fields[field] ?? ''))

/** [TR5] */
const ATTRIBUTES = {
  messageId: 'sms.message_id',
  tenantId: 'sms.tenant_id',
  accountId: 'sms.account_id',
  operatorId: 'sms.operator_id',
  attempt: 'sms.attempt',
  error: 'error.type',
} as const

function attributesOf(fields: NoteFields): Record<string, string | number> {
  const attributes: Record<string, string | number> = {}
  for (const [field, attribute] of Object.entries(ATTRIBUTES)) {
    const value = fields[field]
    if (value !== undefined) attributes[attribute] = value
  }
  return attributes
}
