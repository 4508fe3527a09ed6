import { z } from 'zod'
import { encode } from '../../contracts/decode.ts'
import type { Answer, Lookups } from '../../contracts/question.ts'
import { envelope, topic } from '../../contracts/topic.ts'
import { defineProcessor } from '../../dsl/processor.ts'
import { changelogsOf, defineTopology, type Topology } from '../../dsl/topology.ts'
import type { LogClient, LogRecord, OutRecord } from '../../log/port.ts'
import { partitionOf } from '../../log/partitioner.ts'
import { sleep } from '../../platform/backoff.ts'
import { systemClock, type Clock } from '../clock.ts'
import { noHooks, type Hooks } from '../watch/hooks.ts'
import { Prefetcher } from '../task/prefetch.ts'
import type { StoreFactory } from '../store/store.ts'
import { DEFAULT_LIMITS, type StandbyLimits, type TaskLimits } from '../limits.ts'
import { Worker } from '../worker.ts'
import { randomUUID } from 'node:crypto'
import { Committer, type CommitterOptions } from '../commit/committer.ts'

/** A small topology and its surroundings, with which the runtime is tested over either log. */

const Word = z.object({ ...envelope, word: z.string(), n: z.number().int() })
export type Word = z.infer<typeof Word>
const Tally = z.object({
  ...envelope,
  word: z.string(),
  count: z.number().int(),
  last: z.number(),
  shade: z.string(),
})
export type Tally = z.infer<typeof Tally>
const Counted = z.object({ count: z.number().int() })

export interface Counting {
  readonly topology: Topology
  readonly words: string
  readonly tallies: string
}

const EVENT = {
  schemaVersion: '1.0',
  eventId: '71e6b2de-c54b-5149-bc4d-1925e4067659',
  occurredAt: '2026-04-18T10:23:40.000Z',
}

/**
 * Counts words; `ask…` asks for a shade, `boom` throws, `wait…` tells its count only after
 * `quietMs` of silence.
 */
export function counting(name: string, quietMs = 50): Counting {
  const words = topic(`${name}-words`, Word, (value) => value.word)
  const tallies = topic(`${name}-tallies`, Tally, (value) => value.word)
  const processor = defineProcessor({
    name: 'counting',
    reads: { word: words },
    emits: { tally: tallies },
    state: { store: 'counts', schema: Counted },
    lookups: ['shade'],
    asks: {
      word: (subject) =>
        subject.word.startsWith('ask')
          ? { shade: { lookup: 'shade', key: subject.word, about: {}, answer: '' } }
          : null,
    },
    on: {
      word: (subject, scope, answers) => {
        if (subject.word === 'boom') throw new Error('a defect in a handler')
        const count = (scope.state?.count ?? 0) + 1
        scope.put({ count })
        scope.note('counted', { count })
        if (subject.word.startsWith('wait')) return scope.arm('quiet', scope.now + quietMs)
        const shade = answers?.shade.kind === 'found' ? answers.shade.value : (answers?.shade.kind ?? 'none')
        scope.emit('tally', { ...EVENT, word: scope.key, count, last: subject.n, shade })
      },
    },
    due: {
      quiet: (state, scope) =>
        scope.emit('tally', { ...EVENT, word: scope.key, count: state.count, last: -1, shade: 'none' }),
    },
  })
  return { topology: defineTopology(name, [processor]), words: words.name, tallies: tallies.name }
}

export async function provisionCounting(
  log: LogClient,
  { topology, words, tallies }: Counting,
  partitions: number,
) {
  const spec = (name: string, policy = 'delete') => ({
    name,
    partitions,
    replicas: 1,
    config: { 'cleanup.policy': policy },
  })
  await log.admin.ensureTopics([
    ...[words, tallies, `${words}.deadletter`].map((name) => spec(name)),
    ...changelogsOf(topology).map((name) => spec(name, 'compact')),
  ])
}

export const wordRecord = (
  given: Counting,
  word: string,
  n: number,
  partitions: number,
  at = Date.now(),
): OutRecord => ({
  topic: given.words,
  partition: partitionOf(word, partitions),
  key: word,
  value: encode({ ...EVENT, word, n }),
  timestamp: at,
})

export interface StartOptions {
  readonly log: LogClient
  readonly stores: StoreFactory
  readonly counting: Counting
  readonly hooks?: Partial<Hooks>
  readonly limits?: Partial<TaskLimits>
  readonly lookups?: Lookups
  readonly clock?: Clock
  readonly standbys?: StandbyLimits
  readonly onFailed?: (error: unknown) => void
  /** Default: one of its own. */
  readonly committer?: Committer
}

export function committerOn(log: LogClient, given: Partial<CommitterOptions> = {}): Committer {
  const limits = { ...DEFAULT_LIMITS, commitMs: 5 }
  const transactionalId = `test.${randomUUID()}`
  return new Committer({ log, transactionalId, clock: systemClock, limits, hooks: noHooks, ...given })
}

export async function startWorker(options: StartOptions): Promise<Worker> {
  const clock = options.clock ?? systemClock
  const shade = (): Promise<Answer<unknown>> =>
    Promise.resolve({ kind: 'found', value: 'red', at: clock.now() })
  const { log, counting: given } = options
  const limits = { ...DEFAULT_LIMITS, commitMs: 5, ...options.limits }
  const hooks = { ...noHooks, ...options.hooks }
  const committer = options.committer ?? committerOn(log, { clock, limits, hooks })
  const worker = new Worker({
    app: 'test',
    topology: given.topology,
    log,
    committer,
    stores: options.stores,
    prefetcher: new Prefetcher({
      lookups: options.lookups ?? { shade },
      clock,
      inFlightMax: 16,
      deadlineMs: 500,
    }),
    clock,
    random: () => 0.5,
    hooks,
    limits,
    ...(options.standbys !== undefined && { standbys: options.standbys }),
    onFailed: options.onFailed ?? (() => {}),
  })
  await worker.start()
  return worker
}

/** All committed records of a topic, in partition and offset order. */
export async function readAll(log: LogClient, name: string, partitions: number): Promise<LogRecord[]> {
  const reader = log.reader()
  const records: LogRecord[] = []
  for (let partition = 0; partition < partitions; partition += 1) {
    for (let next = 0; ; ) {
      const read = await reader.read({ topic: name, partition }, next, { bytesMax: 1_000_000, waitMs: 10 })
      records.push(...read.records)
      next = Math.max(next, read.next)
      if (next >= read.end) break
    }
  }
  await reader.close()
  return records
}

export const talliesOf = (records: readonly LogRecord[]): Tally[] =>
  records.map((record) => Tally.parse(JSON.parse(record.value?.toString('utf8') ?? '')))

export async function until(
  condition: () => Promise<boolean> | boolean,
  what: string,
  withinMs = 20_000,
): Promise<void> {
  const deadlineMs = Date.now() + withinMs
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`not within ${withinMs} ms: ${what}`)
    await sleep(5)
  }
}
