import { z } from 'zod'
import { envelope, topic, type Topic } from '../../../streams/contracts/topic.ts'
import { defineProcessor, type Scope } from '../../../streams/dsl/processor.ts'
import { defineTopology, type Topology } from '../../../streams/dsl/topology.ts'

/**
 * Four jobs that any stream library can be asked to do, on records of 300 bytes: a stateless map, a
 * dedupe by key, an aggregation of three segments into one outcome, and a join of two inputs, in
 * which the first half of a pair waits for the second under a timer. The join is the one whose
 * rounds merge by time, for which the log is asked where both inputs end.
 */
const Part = z.object({ ...envelope, id: z.string(), part: z.number().int(), pad: z.string() })
export type Part = z.infer<typeof Part>
const Seen = z.object({ at: z.number() })
const Parts = z.object({ parts: z.array(z.number()), last: z.string() })

export const jobNames = ['stateless', 'dedupe', 'aggregate', 'join'] as const
export type JobName = (typeof jobNames)[number]

export interface Job {
  readonly topology: Topology
  /** Part n of a key goes to input n, round about. */
  readonly inputs: readonly [Topic<Part>, ...Topic<Part>[]]
  readonly output: Topic<Part>
  /**
   * The job's store, and the row that a key has which was met before the run; none for a job
   * without state.
   */
  readonly kept: { readonly store: string; readonly row: unknown } | undefined
  /** Input records of one key, the last of which makes the output. */
  readonly segments: number
}

const SEGMENTS = 3

/** With it a record is 300 bytes of JSON, and a row of the aggregation about 200. */
const PADDING = 'x'.repeat(160)

function topics(name: string): { input: Topic<Part>; output: Topic<Part> } {
  return {
    input: topic(`${name}-in`, Part, (value) => value.id),
    output: topic(`${name}-out`, Part, (value) => value.id),
  }
}

function stateless(name: string): Job {
  const { input, output } = topics(name)
  const map = defineProcessor({
    name: 'map',
    reads: { part: input },
    emits: { out: output },
    on: { part: (part, scope) => scope.emit('out', { ...part, part: part.part + 1 }) },
  })
  return { topology: defineTopology(name, [map]), inputs: [input], output, kept: undefined, segments: 1 }
}

/** Every record of a run is the first of its key: a duplicate would cost less. */
function dedupe(name: string): Job {
  const { input, output } = topics(name)
  const once = defineProcessor({
    name: 'once',
    reads: { part: input },
    emits: { out: output },
    state: { store: 'seen', schema: Seen },
    on: {
      part: (part, scope) => {
        if (scope.state !== undefined) return
        scope.put({ at: scope.now })
        scope.emit('out', part)
      },
    },
  })
  const kept = { store: 'seen', row: { at: Date.parse(OCCURRED_AT) } }
  return { topology: defineTopology(name, [once]), inputs: [input], output, kept, segments: 1 }
}

function aggregate(name: string): Job {
  const { input, output } = topics(name)
  const collect = defineProcessor({
    name: 'collect',
    reads: { part: input },
    emits: { out: output },
    state: { store: 'parts', schema: Parts },
    on: {
      part: (part, scope) => {
        const parts = [...(scope.state?.parts ?? []), part.part]
        scope.put({ parts, last: part.pad })
        if (parts.length === SEGMENTS) scope.emit('out', part)
      },
    },
  })
  const kept = { store: 'parts', row: { parts: [], last: PADDING } }
  return { topology: defineTopology(name, [collect]), inputs: [input], output, kept, segments: SEGMENTS }
}

const WAIT_MS = 3_600_000

type JoinScope = Scope<z.infer<typeof Parts>, { out: Topic<Part> }, 'late'>

function join(name: string): Job {
  const { input: left, output } = topics(name)
  const right = topic(`${name}-in-right`, Part, (value) => value.id)
  const take = (part: Part, scope: JoinScope): void => {
    const parts = [...(scope.state?.parts ?? []), part.part]
    scope.put({ parts, last: part.pad })
    if (parts.length === 1) return scope.arm('late', scope.now + WAIT_MS)
    scope.disarm('late')
    scope.emit('out', part)
  }
  const pair = defineProcessor({
    name: 'pair',
    reads: { left, right },
    emits: { out: output },
    state: { store: 'pairs', schema: Parts },
    on: { left: take, right: take },
    due: { late: (_, scope: JoinScope) => scope.forget() },
  })
  const kept = { store: 'pairs', row: { parts: [], last: PADDING } }
  return { topology: defineTopology(name, [pair]), inputs: [left, right], output, kept, segments: 2 }
}

const makers: Readonly<Record<JobName, (name: string) => Job>> = { stateless, dedupe, aggregate, join }

/** The same names on both sides of a process boundary. */
export const jobOf = (job: JobName, name: string): Job => makers[job](name)

const EVENT_ID = '71e6b2de-c54b-5149-bc4d-1925e4067659'
const OCCURRED_AT = '2026-04-18T10:23:40.000Z'

export const partOf = (id: string, part: number): Part => ({
  schemaVersion: '1.0',
  eventId: EVENT_ID,
  occurredAt: OCCURRED_AT,
  id,
  part,
  pad: PADDING,
})
