import { decode } from '../../../streams/contracts/decode.ts'
import type { Topic } from '../../../streams/contracts/topic.ts'
import { headerText, isReplayed, type LogRecord } from '../../../streams/log/port.ts'
import type { MemoryLog } from '../../../streams/log/memory.ts'

export interface Reading<V> {
  readonly value: V
  readonly key: string
  readonly record: LogRecord
}

/**
 * All committed, readable records of a topic in partition and offset order, but for what a replay
 * has repeated.
 */
export const readings = <V>(log: Pick<MemoryLog, 'dump'>, topic: Topic<V>): readonly Reading<V>[] =>
  allReadings(log, topic).filter(({ record }) => !isReplayed(record.headers))

/** With what a replay has repeated. */
export const allReadings = <V>(log: Pick<MemoryLog, 'dump'>, topic: Topic<V>): readonly Reading<V>[] =>
  log.dump(topic.name).flatMap((record) => {
    const read = decode(topic, record.value)
    return read.ok ? [{ value: read.value, key: record.key?.toString('utf8') ?? '', record }] : []
  })

/** By key, each list in log order. */
export function byKey<V>(all: readonly Reading<V>[]): ReadonlyMap<string, readonly Reading<V>[]> {
  const grouped = new Map<string, Reading<V>[]>()
  for (const reading of all) {
    const list = grouped.get(reading.key)
    if (list === undefined) grouped.set(reading.key, [reading])
    else list.push(reading)
  }
  return grouped
}

export const headerOf = (record: LogRecord, name: string): string | undefined =>
  headerText(record.headers, name)

/** Where violations are collected: what was expected, of whom, and what was there. */
export type Complain = (what: string) => void

/** Complains when two multisets of texts differ, and names what is missing and what is too much. */
export function sameTexts(
  complain: Complain,
  what: string,
  expected: readonly string[],
  actual: readonly string[],
): void {
  const missing = [...expected]
  const tooMuch: string[] = []
  for (const text of actual) {
    const at = missing.indexOf(text)
    if (at === -1) tooMuch.push(text)
    else missing.splice(at, 1)
  }
  if (missing.length > 0 || tooMuch.length > 0)
    complain(`${what}: missing ${JSON.stringify(missing)}, too much ${JSON.stringify(tooMuch)}`)
}

/** JSON with sorted keys, so that equal values have equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
