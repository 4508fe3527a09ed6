import { type Bounds, type LogClient, type LogConsumer, partitionKey } from '../../../streams/log/port.ts'
import type { Plant } from './process.ts'

/** Mutants that break the order in which a task handles what it reads, by what the log tells it. */

type PlantedLog = NonNullable<Plant['log']>

const topicOf = (key: string): string => key.slice(0, key.lastIndexOf(':'))
const numberOf = (key: string): string => key.slice(key.lastIndexOf(':'))

/** `atLeast`: where the task goes on, below which nobody believes that the log ends. */
function withBounds(
  log: LogClient,
  change: (key: string, bounds: Bounds, atLeast: number) => Bounds,
): LogClient {
  const cursors = new Map<string, number>()
  const committed: LogClient['admin']['committed'] = async (group, at, how) => {
    const found = await log.admin.committed(group, at, how)
    for (const [key, { next }] of found) cursors.set(key, next)
    return found
  }
  const bounds: LogClient['admin']['bounds'] = async (at) => {
    const found = await log.admin.bounds(at)
    return new Map(
      [...found].map(([key, one]) => [key, change(key, one, Math.max(one.start, cursors.get(key) ?? 0))]),
    )
  }
  return { ...log, admin: { ...log.admin, bounds, ends: bounds, committed } }
}

/**
 * Only the first input counts for what has been read: the others seem to end where the
 * task has begun.
 */
export const anyInputReached: PlantedLog = (log, { topologies }) => {
  const later = new Set(
    topologies.flatMap(({ inputs }) =>
      inputs
        .map(({ name }) => name)
        .toSorted()
        .slice(1),
    ),
  )
  return withBounds(log, (key, one, atLeast) => (later.has(topicOf(key)) ? { ...one, end: atLeast } : one))
}

/** By partition number, as one task sees its inputs. */
interface View {
  /** Where the first input ends, and how far it has been shown. */
  end: number
  next: number
  /** Of the later inputs: how far each has been shown, and what is held back. */
  readonly shown: Map<string, number>
  held: { readonly key: string; readonly next: number; readonly show: () => void }[]
}

/** A later input is not shown, nor its end, while the first one has more to read. */
export const mergedByName: PlantedLog = (log, { topologies }) => {
  const first = new Set(topologies.map(({ inputs }) => inputs.map(({ name }) => name).toSorted()[0] ?? ''))
  const merged = topologies.filter(({ inputs }) => inputs.length > 1)
  const shared = new Set(merged.flatMap(({ inputs }) => inputs.map(({ name }) => name)))
  const views = new Map<string, View>()
  const viewOf = (key: string): View => {
    const owner = merged.find(({ inputs }) => inputs.some(({ name }) => name === topicOf(key)))
    const id = `${owner?.name}${numberOf(key)}`
    const view = views.get(id) ?? { end: 0, next: 0, shown: new Map(), held: [] }
    views.set(id, view)
    return view
  }
  const bounded = withBounds(log, (key, one, atLeast) => {
    if (!shared.has(topicOf(key))) return one
    const view = viewOf(key)
    if (first.has(topicOf(key))) view.end = one.end
    else if (view.next < view.end)
      return { ...one, end: Math.min(one.end, Math.max(atLeast, view.shown.get(key) ?? 0)) }
    release(view)
    return one
  })
  return { ...bounded, consumer: (options) => byName(log, options, { first, shared, viewOf }) }
}

function byName(
  log: LogClient,
  options: Parameters<LogClient['consumer']>[0],
  given: { first: ReadonlySet<string>; shared: ReadonlySet<string>; viewOf: (key: string) => View },
): LogConsumer {
  const { first, shared, viewOf } = given
  const consumer = log.consumer({
    ...options,
    onRecords: (at, records, next) => {
      const show = (): void => options.onRecords(at, records, next)
      if (!shared.has(at.topic)) return show()
      const view = viewOf(partitionKey(at))
      if (first.has(at.topic)) {
        view.next = next
        show()
      } else view.held.push({ key: partitionKey(at), next, show })
      if (view.next >= view.end) release(view)
    },
  })
  const seek = consumer.seek.bind(consumer)
  consumer.seek = (at, offset) => {
    const key = partitionKey(at)
    if (shared.has(at.topic)) sought(viewOf(key), key, { offset, isFirst: first.has(at.topic) })
    seek(at, offset)
  }
  return consumer
}

function sought(view: View, key: string, { offset, isFirst }: { offset: number; isFirst: boolean }): void {
  if (isFirst) view.next = offset
  else view.shown.set(key, offset)
  view.held = view.held.filter((one) => one.key !== key)
}

function release(view: View): void {
  for (const { key, next, show } of view.held.splice(0)) {
    view.shown.set(key, next)
    show()
  }
}
