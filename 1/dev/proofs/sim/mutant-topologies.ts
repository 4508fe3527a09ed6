import { z } from 'zod'
import { SUBMIT_RESULTS_READ_LOOKUP, type ReadingProgress } from '../../../streams/contracts/lookups.ts'
import type { Topology } from '../../../streams/dsl/topology.ts'
import type { ErasedProcessor, Handling } from '../../../streams/dsl/processor.ts'

/** Mutants that break what a topology sees. */

/** Whatever was seen before is new again. */
export const forgetful = (topology: Topology): Topology => ({
  ...topology,
  processors: topology.processors.map((processor) =>
    processor.name === 'outbound' || processor.name === 'intake' ? withoutMemory(processor) : processor,
  ),
})

const FIRST_READ = ['sms.outbound.request', 'sms.dlr.inbound']

const withoutMemory = (processor: ErasedProcessor): ErasedProcessor => ({
  ...processor,
  on: new Map(
    [...processor.on].map(([topic, handling]) => [
      topic,
      FIRST_READ.includes(topic) ? blind(handling) : handling,
    ]),
  ),
})

const blind = (handling: Handling): Handling => ({
  ask: handling.ask,
  handle: (subject, scope, answers) =>
    handling.handle(subject, { ...around(scope, (state) => scope.put(state)), state: undefined }, answers),
})

type AnyScope = Parameters<Handling['handle']>[1]

export const around = (
  scope: AnyScope,
  put: (state: Parameters<AnyScope['put']>[0]) => unknown,
): AnyScope => ({
  key: scope.key,
  now: scope.now,
  position: scope.position,
  replayed: scope.replayed,
  state: scope.state,
  header: (name) => scope.header(name),
  put: (state) => void put(state),
  forget: () => scope.forget(),
  emit: (to, value) => scope.emit(to, value),
  arm: (timer, atMs) => scope.arm(timer, atMs),
  disarm: (timer) => scope.disarm(timer),
  note: (event, fields) => scope.note(event, fields),
})

/** Off by one: the last place of the memory of an id stays empty. */
export const seesOneLess =
  (seenMax: number) =>
  (topology: Topology): Topology => ({
    ...topology,
    processors: topology.processors.map((processor) =>
      processor.name === 'intake'
        ? {
            ...processor,
            on: new Map([...processor.on].map(([topic, one]) => [topic, forgettingLast(one, seenMax)])),
          }
        : processor,
    ),
  })

const Memory = z.object({ seen: z.array(z.unknown()) })

const forgettingLast = (handling: Handling, seenMax: number): Handling => ({
  ask: handling.ask,
  handle: (subject, scope, answers) =>
    handling.handle(
      subject,
      around(scope, (state) => isFull(state, seenMax) || scope.put(state)),
      answers,
    ),
})

const isFull = (state: unknown, seenMax: number): boolean => {
  const read = Memory.safeParse(state)
  return read.success && read.data.seen.length >= seenMax
}

/** Takes it for granted that every submit result has been read. */
export const impatient = (topology: Topology): Topology => ({
  ...topology,
  processors: topology.processors.map((processor) =>
    processor.lookups.includes(SUBMIT_RESULTS_READ_LOOKUP)
      ? { ...processor, on: told(processor.on), due: told(processor.due) }
      : processor,
  ),
})

const NOTHING_TO_READ: ReadingProgress = { ends: [], read: [] }

const told = (handlings: ReadonlyMap<string, Handling>): ReadonlyMap<string, Handling> =>
  new Map(
    [...handlings].map(([name, handling]) => [
      name,
      {
        ask: handling.ask,
        handle: (subject, scope) =>
          handling.handle(subject, scope, {
            results: { kind: 'found', value: NOTHING_TO_READ, at: scope.now },
          }),
      },
    ]),
  )
