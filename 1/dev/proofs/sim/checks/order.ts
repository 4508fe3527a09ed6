import { decode } from '../../../../streams/contracts/decode.ts'
import { submitResults } from '../../../../streams/contracts/outbound.ts'
import { segmentFacts } from '../../../../streams/contracts/receipts.ts'
import type { Topic } from '../../../../streams/contracts/topic.ts'
import { partitionKey, type LogRecord } from '../../../../streams/log/port.ts'
import type { MemoryLog } from '../../../../streams/log/memory.ts'
import { graceEnded, graceEndMs, NEW_MODEL, taken, type Input, type Model } from './aggregate-model.ts'
import { canonical, type Complain } from '../readings.ts'
import { effectsIn } from './segments.ts'
import type { World } from '../world.ts'

/**
 * What a group says that reads its whole input again, when all of it lies on the log. Then there is
 * one order and no other: of the heads of its inputs the oldest first, ties by name, and before
 * each record the timers that were due earlier. Whoever merges, cuts rounds or fires timers
 * otherwise says something else. An event that is there twice says the same twice.
 */
export function checkOrder(world: World, ends: ReadonlyMap<string, number>, complain: Complain): void {
  const expected = new Map<string, Model>()
  for (let partition = 0; partition < world.partitions; partition += 1) {
    const facts = of(world.log, segmentFacts, partition, ends)
    const results = of(world.log, submitResults, partition, ends)
    fold(merged(facts, results), expected)
  }
  const actual = effectsIn(since(world.log, ends))
  for (const messageId of new Set([...expected.keys(), ...actual.keys()])) {
    const wanted = canonical([...new Set(expected.get(messageId)?.effects)].sort())
    const said = canonical([...new Set(actual.get(messageId))].sort())
    if (wanted !== said) complain(`message ${messageId}: read again it says ${said}; in order ${wanted}`)
  }
}

/** Where every partition ended. */
export function endsOf({ log, topics }: { log: MemoryLog; topics: readonly string[] }) {
  const ends = new Map<string, number>()
  for (const topic of topics)
    for (const record of log.dump(topic)) ends.set(partitionKey(record), record.offset + 1)
  return ends
}

const since = (log: MemoryLog, ends: ReadonlyMap<string, number>) => ({
  dump: (topic: string) =>
    log.dump(topic).filter((record) => record.offset >= (ends.get(partitionKey(record)) ?? 0)),
})

interface Dated {
  readonly record: LogRecord
  readonly messageId: string
  readonly input: Input | null
}

function of(
  log: MemoryLog,
  topic: Topic<unknown>,
  partition: number,
  ends: ReadonlyMap<string, number>,
): Dated[] {
  const mine = log.dump(topic.name).filter((record) => record.partition === partition)
  return mine
    .filter((record) => record.offset < (ends.get(partitionKey(record)) ?? 0))
    .map((record) => ({ record, messageId: record.key?.toString('utf8') ?? '', input: inputIn(record) }))
}

function inputIn(record: LogRecord): Input | null {
  if (record.topic === submitResults.name) {
    const read = decode(submitResults, record.value)
    return read.ok ? { kind: 'result', result: read.value } : null
  }
  const read = decode(segmentFacts, record.value)
  return read.ok ? { kind: 'fact', fact: read.value } : null
}

function merged(facts: readonly Dated[], results: readonly Dated[]): readonly Dated[] {
  const all: Dated[] = []
  let [fact, result] = [0, 0]
  for (;;) {
    const [a, b] = [facts[fact], results[result]]
    if (a === undefined && b === undefined) return all
    const isFact = b === undefined || (a !== undefined && a.record.timestamp <= b.record.timestamp)
    const next = isFact ? a : b
    if (next !== undefined) all.push(next)
    if (isFact) fact += 1
    else result += 1
  }
}

function fold(inputs: readonly Dated[], models: Map<string, Model>): void {
  const seen = new Set<string>()
  for (const { record, messageId, input } of inputs) {
    endGraces(models, record.timestamp)
    if (input === null || isKnown(input, seen)) continue
    models.set(messageId, taken(models.get(messageId) ?? NEW_MODEL, input))
  }
  endGraces(models, Number.POSITIVE_INFINITY)
}

/** `intake` lets an event pass once, so a second fact of it is the first one again. */
function isKnown(input: Input, seen: Set<string>): boolean {
  if (input.kind === 'result' || input.fact.kind !== 'RECEIPT') return false
  const { eventId } = input.fact.receipt
  const isSeen = seen.has(eventId)
  seen.add(eventId)
  return isSeen
}

function endGraces(models: Map<string, Model>, beforeMs: number): void {
  for (const [messageId, model] of models) {
    const endMs = graceEndMs(model)
    if (endMs !== null && endMs < beforeMs) models.set(messageId, graceEnded(model))
  }
}
