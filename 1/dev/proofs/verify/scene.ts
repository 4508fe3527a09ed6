import { z } from 'zod'
import { deadLetterTopicOf, envelope, topic, type Topic } from '../../../streams/contracts/topic.ts'
import { defineProcessor } from '../../../streams/dsl/processor.ts'
import { changelogsOf, defineTopology, type Topology } from '../../../streams/dsl/topology.ts'
import type { LogClient } from '../../../streams/log/port.ts'

/**
 * What the verifier runs and recomputes: one topology that counts two inputs by key, and a second
 * one that reads what the first has written. Everything they emit follows from the input alone, but
 * for two things that the log itself decides and the outputs tell: in which order two inputs of one
 * key met, and which records a timer still found.
 *
 * It guarantees: each input is echoed once, sums run over both inputs, each echo is alarmed once by
 * a timer of its own. It never asks a clock or a die.
 */
const Taken = z.object({ ...envelope, id: z.string(), word: z.string(), n: z.number().int() })
export type Taken = z.infer<typeof Taken>
const Echo = z.object({
  ...envelope,
  id: z.string(),
  word: z.string(),
  n: z.number().int(),
  from: z.string(),
})
export type Echo = z.infer<typeof Echo>
const Total = z.object({
  ...envelope,
  id: z.string(),
  word: z.string(),
  count: z.number().int(),
  sum: z.number().int(),
  max: z.number().int(),
})
export type Total = z.infer<typeof Total>
/**
 * What came between two firings of the timer of a key: records `from` to `upTo` by their count, and
 * the sum after the last.
 */
const Span = z.object({
  ...envelope,
  word: z.string(),
  from: z.number().int(),
  upTo: z.number().int(),
  sum: z.number().int(),
})
export type Span = z.infer<typeof Span>
const Alarm = z.object({ ...envelope, id: z.string(), seen: z.number().int() })
export type Alarm = z.infer<typeof Alarm>

const Sums = z.object({
  count: z.number().int(),
  sum: z.number().int(),
  max: z.number().int(),
  /** Count up to which spans have been told. */
  told: z.number().int(),
  armed: z.boolean(),
})
const Waiting = z.object({ seen: z.number().int() })

const EVENT = {
  schemaVersion: '1.0',
  eventId: '71e6b2de-c54b-5149-bc4d-1925e4067659',
  occurredAt: '2026-04-18T10:23:40.000Z',
}
export const taken = (id: string, word: string, n: number): Taken => ({ ...EVENT, id, word, n })

export const SPAN_MS = 2000
export const ALARM_MS = 1000

export interface Scene {
  readonly left: Topic<Taken>
  readonly right: Topic<Taken>
  readonly echoes: Topic<Echo>
  readonly totals: Topic<Total>
  readonly spans: Topic<Span>
  readonly alarms: Topic<Alarm>
  readonly topologies: readonly Topology[]
}

/** Topics and topologies of one run; `name` keeps runs on one broker apart. */
export function sceneOf(name: string): Scene {
  const topics = {
    left: topic(`${name}-left`, Taken, (value) => value.word),
    right: topic(`${name}-right`, Taken, (value) => value.word),
    echoes: topic(`${name}-echoes`, Echo, (value) => value.id),
    totals: topic(`${name}-totals`, Total, (value) => value.word),
    spans: topic(`${name}-spans`, Span, (value) => value.word),
    alarms: topic(`${name}-alarms`, Alarm, (value) => value.id),
  }
  return { ...topics, topologies: [countingOf(name, topics), alarmingOf(name, topics)] }
}

type SceneTopics = Omit<Scene, 'topologies'>

function countingOf(name: string, { left, right, echoes, totals, spans }: SceneTopics): Topology {
  const echo = defineProcessor({
    name: 'echo',
    reads: { left, right },
    emits: { echo: echoes },
    on: {
      left: ({ id, word, n }, scope) => scope.emit('echo', { ...EVENT, id, word, n, from: 'left' }),
      right: ({ id, word, n }, scope) => scope.emit('echo', { ...EVENT, id, word, n, from: 'right' }),
    },
  })
  const total = defineProcessor({
    name: 'total',
    reads: { left, right },
    emits: { total: totals, span: spans },
    state: { store: 'sums', schema: Sums },
    on: {
      left: (subject, scope) => add(subject, scope),
      right: (subject, scope) => add(subject, scope),
    },
    due: {
      span: (state, scope) => {
        const { told, count, sum } = state
        scope.emit('span', { ...EVENT, word: scope.key, from: told + 1, upTo: count, sum })
        scope.put({ ...state, told: count, armed: false })
      },
    },
  })
  return defineTopology(`${name}-counting`, [echo, total])
}

interface TotalScope {
  readonly key: string
  readonly now: number
  readonly state: z.infer<typeof Sums> | undefined
  put(state: z.infer<typeof Sums>): void
  emit(to: 'total', value: Total): void
  arm(timer: 'span', atMs: number): void
}

function add({ id, word, n }: Taken, scope: TotalScope): void {
  const before = scope.state ?? { count: 0, sum: 0, max: 0, told: 0, armed: false }
  const after = { count: before.count + 1, sum: before.sum + n, max: Math.max(before.max, n) }
  scope.put({ ...after, told: before.told, armed: true })
  // Not moved by later records: then it could be put off for ever, and what it finds would say
  // less.
  if (!before.armed) scope.arm('span', scope.now + SPAN_MS)
  scope.emit('total', { ...EVENT, id, word, ...after })
}

/**
 * Reads committed output of the first topology, under another key: a record that was aborted there
 * must not arrive here.
 */
function alarmingOf(name: string, { echoes, alarms }: SceneTopics): Topology {
  const alarm = defineProcessor({
    name: 'alarm',
    reads: { echo: echoes },
    emits: { alarm: alarms },
    state: { store: 'waiting', schema: Waiting },
    on: {
      echo: (_, scope) => {
        scope.put({ seen: (scope.state?.seen ?? 0) + 1 })
        scope.arm('ring', scope.now + ALARM_MS)
      },
    },
    due: {
      ring: ({ seen }, scope) => {
        scope.emit('alarm', { ...EVENT, id: scope.key, seen })
        scope.forget()
      },
    },
  })
  return defineTopology(`${name}-alarming`, [alarm])
}

export const writtenBy = (scene: Scene): readonly string[] => [
  ...[scene.echoes, scene.totals, scene.spans, scene.alarms].map((one) => one.name),
  ...scene.topologies.flatMap(changelogsOf),
]

export async function provision(
  log: LogClient,
  scene: Scene,
  partitions: number,
  replicas: number,
): Promise<void> {
  const inputs = [scene.left, scene.right, scene.echoes].flatMap(({ name }) => [
    name,
    deadLetterTopicOf(name),
  ])
  const kept = new Set([...inputs, ...writtenBy(scene)])
  const changelogs = new Set(scene.topologies.flatMap(changelogsOf))
  await log.admin.ensureTopics(
    [...kept].map((name) => ({
      name,
      partitions,
      replicas,
      config: { 'cleanup.policy': changelogs.has(name) ? 'compact' : 'delete' },
    })),
  )
}
