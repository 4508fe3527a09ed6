import { submitResults } from '../../../../streams/contracts/outbound.ts'
import { aggregatedOutcomes, billingEvents, webhookEvents } from '../../../../streams/contracts/outcomes.ts'
import { dlrRecords, segmentFacts, type DlrRecord } from '../../../../streams/contracts/receipts.ts'
import { graceEnded, graceEndMs, NEW_MODEL, taken, type Input, type Model } from './aggregate-model.ts'
import { eventId } from './ids.ts'
import type { MemoryLog } from '../../../../streams/log/memory.ts'
import { isReplayed } from '../../../../streams/log/port.ts'
import { allReadings, byKey, canonical, readings, type Complain, type Reading } from '../readings.ts'
import type { World } from '../world.ts'

/**
 * What was said of each message must be what the model says for its inputs. Two topics feed an
 * aggregate and no order between them is promised, so every interleaving is tried that keeps the
 * order of each. The grace may end before any input that came after it. What happened must be one
 * of the possible outcomes, and mostly there is only one.
 */
export function checkSegments(world: World, complain: Complain): void {
  const results = byKey(readings(world.log, submitResults))
  const facts = byKey(readings(world.log, segmentFacts))
  const effects = actualEffects(world)
  for (const messageId of new Set([...results.keys(), ...facts.keys(), ...effects.keys()])) {
    const possible = possibleEffects(
      inputsOf(results.get(messageId), (value) => ({ kind: 'result', result: value })),
      inputsOf(facts.get(messageId), (value) => ({ kind: 'fact', fact: value })),
    )
    const actual = (effects.get(messageId) ?? []).sort()
    if (possible.has(canonical(actual))) continue
    const one = [...possible].slice(0, 2).join(' or ')
    complain(`message ${messageId}: said ${canonical(actual)}; possible are ${possible.size}: ${one}`)
  }
}

interface Timed {
  readonly input: Input
  readonly atMs: number
}

const inputsOf = <V>(read: readonly Reading<V>[] | undefined, wrap: (value: V) => Input): readonly Timed[] =>
  (read ?? []).map(({ value, record }) => ({ input: wrap(value), atMs: record.timestamp }))

type Models = Map<string, Model>

/** Dynamic programming over how many of each list have been taken; equal states are one. */
function possibleEffects(results: readonly Timed[], facts: readonly Timed[]): ReadonlySet<string> {
  let row: readonly Models[] = [new Map([['', NEW_MODEL]])]
  for (let count = 0; count <= results.length; count += 1) {
    const above: readonly Models[] =
      count === 0 ? row : row.map((models) => after(models, results[count - 1]))
    row = acrossFacts(above, facts)
  }
  const ends = [...(row.at(-1)?.values() ?? [])].map((model) => graceEnded(model).effects)
  return new Set(ends.map((effects) => canonical(effects)))
}

/**
 * States by the number of facts taken: those that come from the row above, and those one more fact
 * makes of them.
 */
function acrossFacts(above: readonly Models[], facts: readonly Timed[]): readonly Models[] {
  const row: Models[] = []
  for (let count = 0; count <= facts.length; count += 1) {
    const left = row[count - 1]
    const here: Models = new Map(above[count])
    for (const [id, model] of left === undefined ? [] : after(left, facts[count - 1])) here.set(id, model)
    row.push(here)
  }
  return row
}

function after(models: Models, timed: Timed | undefined): Models {
  const next: Models = new Map()
  for (const model of models.values()) addTaken(next, model, timed)
  return next
}

function addTaken(to: Models, from: Model, timed: Timed | undefined): void {
  if (timed === undefined) return
  const endMs = graceEndMs(from)
  const before = endMs !== null && timed.atMs > endMs ? [from, graceEnded(from)] : [from]
  for (const one of before) {
    const model = taken(one, timed.input)
    to.set(canonical(model), model)
  }
}

const actualEffects = (world: World): Map<string, string[]> =>
  effectsIn({ dump: (topic) => world.log.dump(topic).filter(({ headers }) => !isReplayed(headers)) })

/** What the records say of each message, as the model's texts. */
export function effectsIn(log: Pick<MemoryLog, 'dump'>): Map<string, string[]> {
  const effects = new Map<string, string[]>()
  const add = (messageId: string, effect: object): void => {
    effects.set(messageId, [...(effects.get(messageId) ?? []), canonical(effect)])
  }
  for (const { value, key } of allReadings(log, aggregatedOutcomes)) {
    const { status: aggregated, received, expected, closedBy, operatorId, segments, occurredAt: at } = value
    add(key, { aggregated, received, expected, closedBy, operatorId, segments, at })
  }
  for (const { value, key } of allReadings(log, billingEvents)) {
    const { dlrStatus: billing, segmentCount, deliveredSegments, operatorId, occurredAt: at } = value
    add(key, { billing, segmentCount, deliveredSegments, operatorId, at })
  }
  for (const { value, key } of allReadings(log, webhookEvents)) {
    const { dlrStatus: webhook, to, segments, operatorId, occurredAt: at } = value
    add(key, { webhook, at, segments, operatorId, to })
  }
  for (const { value, key } of allReadings(log, dlrRecords)) {
    const effect = recordEffect(value)
    if (effect !== null) add(key, effect)
  }
  return effects
}

/** The same text as the model's, if ids and places are right; an orphan belongs to no message. */
function recordEffect(record: DlrRecord): object | null {
  const { kind } = record
  if (kind === 'ORPHAN') return null
  const outcome = record.messageOutcome ?? null
  if (kind === 'PARTIAL_TIMEOUT')
    return { record: kind, at: record.at, closedBy: record.closedBy ?? 'GRACE_EXPIRED', outcome }
  if (kind === 'SEGMENT')
    return { record: kind, id: record.eventId, status: record.status, at: record.at, outcome }
  const { eventId: cause } = record.receipt
  const told = record.eventId === eventId('record', kind, cause) ? cause : 'foreign'
  return kind === 'RECEIPT'
    ? { record: kind, cause: told, applied: record.applied, outcome }
    : { record: kind, cause: told, terminalAt: record.terminalAt }
}
