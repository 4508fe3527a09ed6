import { z } from 'zod'
import { encode } from '../../contracts/decode.ts'
import { envelope, topic } from '../../contracts/topic.ts'
import { defineProcessor } from '../../dsl/processor.ts'
import { changelogsOf, defineTopology } from '../../dsl/topology.ts'
import { shuffledScheduler } from '../../log/memory/shuffled-scheduler.ts'
import { memoryLog, type MemoryLog } from '../../log/memory.ts'
import { partitionKey } from '../../log/port.ts'
import { Driver } from '../../testing/driver.ts'
import type { Clock } from '../clock.ts'
import { DEFAULT_LIMITS } from '../limits.ts'
import { storeOf } from '../store/mark-rows.ts'
import { memoryStores } from '../store/memory.ts'
import type { Store, StoreFactory } from '../store/store.ts'
import { Prefetcher } from '../task/prefetch.ts'
import { groupOf } from '../task/names.ts'
import { noHooks } from '../watch/hooks.ts'
import { Worker } from '../worker.ts'
import { Committer } from '../commit/committer.ts'

/**
 * A topology whose every output says in which order all went before, and worlds that run it over
 * the same input by different ways.
 */

const EVENT = {
  schemaVersion: '1.0',
  eventId: '71e6b2de-c54b-5149-bc4d-1925e4067659',
  occurredAt: '2026-04-18T10:23:40.000Z',
}
const Act = z.object({ ...envelope, key: z.string(), n: z.number().int() })
const Told = z.object({ ...envelope, key: z.string(), past: z.string() })
const Row = z.object({ past: z.string(), fired: z.number().int() })
type Row = z.infer<typeof Row>

const left = topic('order-left', Act, (value) => value.key)
const right = topic('order-right', Act, (value) => value.key)
const told = topic('order-told', Told, (value) => value.key)
const INPUTS = { left, right }

/**
 * What to do follows from `n`, so that a generator of numbers reaches every turn. Acts come at even
 * instants and `late` is due at odd ones: no two timers of a row are due at once.
 */
const teller = defineProcessor({
  name: 'teller',
  reads: INPUTS,
  emits: { told },
  state: { store: 'rows', schema: Row },
  lookups: ['echo'],
  asks: {
    left: (act, row: Row | undefined) =>
      act.n % 3 === 0 ? echo(`${act.key}${row?.past.length ?? 0}`) : null,
    soon: (row: Row) => echo(row.past.slice(-9)),
  },
  on: {
    left: (act, scope, answers) => {
      const heard = answers?.echo.kind === 'found' ? answers.echo.value : 'none'
      scope.put({ past: `${scope.state?.past ?? ''} l${act.n}@${scope.now}:${heard}`, fired: 0 })
      if (act.n % 2 === 0) scope.arm('soon', scope.now + 2 * (act.n % 6))
      scope.emit('told', tell(scope.key, scope.state))
    },
    right: (act, scope) => {
      scope.put({ past: `${scope.state?.past ?? ''} r${act.n}@${scope.now}`, fired: scope.state?.fired ?? 0 })
      if (act.n % 4 === 0) scope.disarm('soon')
      if (act.n % 4 === 1) scope.arm('late', scope.now + 21 + 2 * (act.n % 3))
      scope.emit('told', tell(scope.key, scope.state))
    },
  },
  due: {
    soon: (row, scope, answers) => {
      const heard = answers?.echo.kind === 'found' ? answers.echo.value : 'none'
      scope.put({ past: `${row.past} s@${scope.now}:${heard}`, fired: row.fired + 1 })
      if (row.fired < 3) scope.arm('soon', scope.now + 2)
      scope.emit('told', tell(scope.key, scope.state))
    },
    late: (row, scope) => {
      scope.put({ ...row, past: `${row.past} t@${scope.now}` })
      scope.emit('told', tell(scope.key, scope.state))
    },
  },
})

const echo = (key: string) => ({ echo: { lookup: 'echo', key, about: {}, answer: '' } })
const answer = (key: string) => ({ kind: 'found' as const, value: key, at: 0 })
const tell = (key: string, row: Row | undefined) => ({ ...EVENT, key, past: row?.past ?? '' })

export const ordering = defineTopology('order', [teller])

export interface Act {
  readonly input: keyof typeof INPUTS
  readonly key: string
  readonly n: number
  readonly atMs: number
  /** Caused by a replay upstream. */
  readonly replayed: boolean
}

/** Written all at once, while the clock jumps to `nowMs`. */
export interface Phase {
  readonly nowMs: number
  readonly acts: readonly Act[]
}

export interface Way {
  readonly recordsPerRoundMax: number
  readonly timersPerRoundMax: number
  readonly recordsPerTopicMax: number
  /** Records in one fetch. */
  readonly deliverMax: number
  /** In which order fetches come: numbers from 0 to 1, over and over. */
  readonly draws: readonly number[]
}

/** What came of it: outputs in order, the rows, and the timers that are left. */
export interface Outcome {
  readonly told: readonly string[]
  readonly rows: readonly string[]
  readonly timers: readonly string[]
}

const PARTITION = 0
const valueOf = ({ key, n }: Act): string => encode({ ...EVENT, key, n })

export async function runBy(way: Way, phases: readonly Phase[]): Promise<Outcome> {
  const { scheduler, log } = await openLog(way)
  const opened = new Map<string, Store>()
  const time = { nowMs: 0 }
  const worker = workerOf(way, log, keeping(opened), clockOf(time))
  const pump = new AbortController()
  const pumping = (async () => {
    while (!pump.signal.aborted) {
      await new Promise((resolve) => setImmediate(resolve))
      for (let steps = 0; steps < 20 && scheduler.waiting() > 0; steps += 1) {
        scheduler.step()
        await Promise.resolve()
      }
    }
  })()
  for (const [n, phase] of phases.entries()) {
    write(log, phase)
    time.nowMs = phase.nowMs
    if (n === 0) await worker.start()
    await rest(log, opened, phase.nowMs)
  }
  const store = opened.get('order.0')
  const outcome = await outcomeOf(log, store)
  await worker.close()
  pump.abort()
  await pumping
  return outcome
}

async function openLog({ deliverMax, draws }: Way) {
  let drawn = 0
  const random = (): number => {
    drawn += 1
    return draws[drawn % Math.max(1, draws.length)] ?? 0
  }
  const scheduler = shuffledScheduler(random)
  const log = memoryLog({ schedule: scheduler.schedule, deliverMax })
  const names = [left, right, told].flatMap(({ name }) => [name, `${name}.deadletter`])
  const specs = [...names, ...changelogsOf(ordering)].map((name) => ({
    name,
    partitions: 1,
    replicas: 1,
    config: { 'cleanup.policy': name.endsWith('-changelog') ? 'compact' : 'delete' },
  }))
  const ensured = log.admin.ensureTopics(specs)
  await scheduler.drain()
  await ensured
  return { scheduler, log }
}

/** Sleeps are short, whatever is asked for: time stands still here. */
const clockOf = (time: { readonly nowMs: number }): Clock => ({
  now: () => time.nowMs,
  sleep: (_, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve()
      const done = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, 1)
      signal?.addEventListener('abort', done)
    }),
})

function keeping(opened: Map<string, Store>): StoreFactory {
  const inner = memoryStores()
  return {
    ...inner,
    open: async (name, onWiped) => {
      const store = await inner.open(name, onWiped)
      opened.set(name, store)
      return store
    },
  }
}

function workerOf(way: Way, log: MemoryLog, stores: StoreFactory, clock: Clock): Worker {
  const limits = { ...DEFAULT_LIMITS, ...way, commitMs: 0, topicsLookMs: Number.POSITIVE_INFINITY }
  return new Worker({
    app: 'test',
    committer: new Committer({ log, transactionalId: 'test', clock, limits, hooks: noHooks }),
    topology: ordering,
    log,
    stores,
    prefetcher: new Prefetcher({
      lookups: { echo: ({ key }) => Promise.resolve(answer(key)) },
      clock: { ...clock, sleep: () => new Promise(() => {}) },
      inFlightMax: 4,
      deadlineMs: 1000,
    }),
    clock,
    random: () => 0.5,
    hooks: noHooks,
    limits,
    onFailed: (error) => {
      throw error
    },
  })
}

/** In one step, so that no sight of the log falls in between. */
function write(log: MemoryLog, { acts }: Phase): void {
  const writing = log.begin('order-writer')
  writing.write(
    acts.map((act) => ({
      topic: INPUTS[act.input].name,
      partition: PARTITION,
      key: act.key,
      value: valueOf(act),
      timestamp: act.atMs,
      headers: act.replayed ? { replayed: '1' } : {},
    })),
  )
  writing.commit()
  // Whoever fences the writer finds its markers written, as with a broker.
  log.begin('order-writer').abort()
}

const REST_WITHIN_MS = 20_000

async function rest(log: MemoryLog, opened: ReadonlyMap<string, Store>, nowMs: number): Promise<void> {
  const at = ordering.inputs.map(({ name }) => ({ topic: name, partition: PARTITION }))
  const lasts = at.map(({ topic }) => log.dump(topic).at(-1)?.offset ?? -1)
  const isRead = async (): Promise<boolean> => {
    const cursors = await log.admin.committed(groupOf('test', ordering.name), at, 'asTheyAre')
    const isDone = at.every((one, n) => (cursors.get(partitionKey(one))?.next ?? 0) > (lasts[n] ?? -1))
    const dueMs = (await opened.get('order.0')?.nextDueMs()) ?? 0
    return isDone && dueMs > nowMs
  }
  const untilMs = performance.now() + REST_WITHIN_MS
  while (!(await isRead())) {
    if (performance.now() > untilMs) throw new Error(`no rest within ${REST_WITHIN_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

async function outcomeOf(log: MemoryLog, store: Store | undefined): Promise<Outcome> {
  const rows = new Map<string, string>()
  for (const record of log.dump('order-rows-changelog'))
    if (storeOf('rows', String(record.key)) === 'rows')
      rows.set(String(record.key), String(record.value?.toString()))
  const timers = (await store?.dueTimers(Number.MAX_SAFE_INTEGER, 1000)) ?? []
  return {
    told: log.dump(told.name).map((record) => {
      const isReplayed = Object.hasOwn(record.headers, 'replayed')
      return `${record.timestamp} ${isReplayed} ${record.value?.toString()}`
    }),
    rows: [...rows].map(([key, row]) => `${key} ${row}`).sort(),
    timers: timers.map(({ dueMs, timer, key }) => `${dueMs} ${timer} ${key}`),
  }
}

/**
 * What the testing driver makes of it, when it is given each record once everything that is due
 * before it has fired.
 */
export function driven(phases: readonly Phase[]): Pick<Outcome, 'told' | 'rows'> {
  const driver = new Driver([ordering], { now: 0, answer: ({ key }) => answer(key) })
  for (const { acts, nowMs } of phases) {
    for (const act of merged(acts)) {
      driver.advance(Math.min(act.atMs - 1, nowMs) - driver.now)
      driver.pipe(INPUTS[act.input], { ...EVENT, key: act.key, n: act.n }, { at: act.atMs })
    }
    driver.advance(nowMs - driver.now)
  }
  const keys = [...new Set(phases.flatMap(({ acts }) => acts.map(({ key }) => key)))].sort()
  return {
    told: driver.readOutputs(told).map(({ value, at, replayed }) => `${at} ${replayed} ${encode(value)}`),
    rows: keys.map((key) => `${key} ${JSON.stringify(driver.row('rows', key)?.state)}`),
  }
}

/** The oldest of both heads first, left before right. */
function merged(acts: readonly Act[]): readonly Act[] {
  const queues = [acts.filter(({ input }) => input === 'left'), acts.filter(({ input }) => input === 'right')]
  const all: Act[] = []
  for (;;) {
    const heads = queues.filter((queue) => queue.length > 0)
    const [first, second] = heads
    const queue = second !== undefined && (second[0]?.atMs ?? 0) < (first?.[0]?.atMs ?? 0) ? second : first
    const act = queue?.shift()
    if (act === undefined) return all
    all.push(act)
  }
}
