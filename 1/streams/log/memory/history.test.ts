import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryLog } from '../memory.ts'
import type { HeldTransaction, MemoryLog } from '../memory.ts'
import { LogError, partitionKey } from '../port.ts'
import type { Cursor, LogTransactions } from '../port.ts'
import type { MemoryClient } from './client.ts'
import type { MemoryFaults } from './faults.ts'
import { shuffledScheduler } from './shuffled-scheduler.ts'
import { FIRST, quiet, seeded, TOPIC, withTopic, word, words } from './testing/world.suite.ts'

type Step =
  | { readonly kind: 'write' | 'commit' | 'abort' | 'fence'; readonly writer: number }
  | { readonly kind: 'plain' }

const STEPS = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: step('write') },
    { weight: 2, arbitrary: step('commit') },
    { weight: 2, arbitrary: step('abort') },
    { weight: 1, arbitrary: step('fence') },
    { weight: 2, arbitrary: fc.constant<Step>({ kind: 'plain' }) },
  ),
  { maxLength: 40 },
)

function step(kind: 'write' | 'commit' | 'abort' | 'fence'): fc.Arbitrary<Step> {
  return fc.nat(2).map((writer) => ({ kind, writer }))
}

/**
 * What a partition must look like, kept as simply as can be: a list in which each offset has an
 * owner and a fate.
 */
class Model {
  readonly rows: { value: string | null; writer: number | null; fate: 'open' | 'committed' | 'aborted' }[] =
    []

  write(writer: number | null, value: string): void {
    this.rows.push({ value, writer, fate: writer === null ? 'committed' : 'open' })
  }

  settle(writer: number, fate: 'committed' | 'aborted'): void {
    const mine = this.rows.filter((row) => row.writer === writer && row.fate === 'open')
    for (const row of mine) row.fate = fate
    if (mine.length > 0) this.rows.push({ value: null, writer, fate })
  }

  get end(): number {
    const first = this.rows.findIndex((row) => row.fate === 'open')
    return first < 0 ? this.rows.length : first
  }

  visible(from: number): [number, string | null][] {
    return this.rows
      .slice(0, this.end)
      .flatMap((row, offset): [number, string | null][] =>
        offset >= from && row.fate === 'committed' && row.value !== null ? [[offset, row.value]] : [],
      )
  }
}

async function play(log: MemoryLog, model: Model, steps: readonly Step[]): Promise<void> {
  const held = new Map<number, HeldTransaction>()
  const writer = log.writer()
  for (const [i, one] of steps.entries()) {
    const value = `value-${i}`
    if (one.kind === 'plain') {
      await writer.write([word(value)])
      model.write(null, value)
    } else {
      const mine = one.kind === 'fence' ? undefined : held.get(one.writer)
      if (mine === undefined) model.settle(one.writer, 'aborted')
      const transaction = mine ?? log.begin(`writer-${one.writer}`)
      held.set(one.writer, transaction)
      act(transaction, model, one.kind, one.writer, value)
    }
    await quiet()
    await compare(log, model, i)
  }
}

function act(
  transaction: HeldTransaction,
  model: Model,
  kind: 'write' | 'commit' | 'abort' | 'fence',
  writer: number,
  value: string,
): void {
  if (kind === 'write') {
    transaction.write([word(value)])
    model.write(writer, value)
  }
  if (kind === 'commit') {
    transaction.commit()
    model.settle(writer, 'committed')
  }
  if (kind === 'abort') {
    transaction.abort()
    model.settle(writer, 'aborted')
  }
}

async function compare(log: MemoryLog, model: Model, from: number): Promise<void> {
  for (const offset of [0, Math.min(from, model.end)]) {
    const fetched = await log.reader().read(FIRST, offset, { bytesMax: 1_000_000, waitMs: 0 })
    expect(fetched.records.map((record) => [record.offset, String(record.value)])).toEqual(
      model.visible(offset),
    )
    expect([fetched.next, fetched.end]).toEqual([model.end, model.end])
  }
}

describe('any history of transactions that overlap, commit, abort and are fenced', () => {
  it('shows readers and members exactly the committed records below the last stable offset, in offset order', async () => {
    await fc.assert(
      fc.asyncProperty(STEPS, fc.integer({ min: 1, max: 4 }), async (steps, deliverMax) => {
        const log = await withTopic(memoryLog({ deliverMax }))
        const received: [number, string][] = []
        const consumer = log.consumer({
          group: 'group',
          topics: [TOPIC],
          onAssigned: (held) => {
            consumer.seek(FIRST, 0)
            consumer.resume(held)
          },
          onRecords: (_, records) =>
            received.push(
              ...records.map((record): [number, string] => [record.offset, String(record.value)]),
            ),
          onFailed: (error) => {
            throw error
          },
        })
        await consumer.start()
        const model = new Model()
        await play(log, model, steps)
        expect(received).toEqual(model.visible(0))
      }),
      { numRuns: 200 },
    )
  })
})

const ITEMS = 8
const OWNERS = 4
const FAULT_RATE = 0.12

function randomFaults(random: () => number, isOn: () => boolean): MemoryFaults {
  const strikes = (): boolean => isOn() && random() < FAULT_RATE
  return {
    recordsRefused: strikes,
    beforeCommit: strikes,
    commitRefused: strikes,
    commitLate: strikes,
    afterCommitBeforeReply: strikes,
    fenceRefused: strikes,
    deliver: strikes,
    adminRefused: strikes,
  }
}

/**
 * The take-over order of the runtime, in small: fence, read the cursor, then one item and one
 * cursor per transaction.
 */
async function own(client: MemoryClient, id: string): Promise<void> {
  const transactions = client.transactions({ transactionalId: id, timeoutMs: 1_000 })
  for (let next = await takeOver(client, transactions, id); next !== null; ) {
    if (next >= ITEMS) return
    next = await produce(client, transactions, id, next)
  }
}

async function takeOver(
  client: MemoryClient,
  transactions: LogTransactions,
  id: string,
): Promise<number | null> {
  try {
    await transactions.fence()
    const cursors = await client.admin.committed(id, [FIRST])
    return cursors.get(partitionKey(FIRST))?.next ?? 0
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'retriable') throw error
    return takeOver(client, transactions, id)
  }
}

/** Where to go on, or null when another owner has taken over. */
async function produce(
  client: MemoryClient,
  transactions: LogTransactions,
  id: string,
  item: number,
): Promise<number | null> {
  const cursors = (): readonly Cursor[] => [{ ...FIRST, next: item + 1, metadata: '' }]
  const records = [word(`${id}-${item}`), word(`${id}-${item}`, { topic: TOPIC, partition: 1 })]
  try {
    await transactions.commit({ records, moves: [{ group: id, cursors }] })
    return item + 1
  } catch (error) {
    if (!(error instanceof LogError) || error.code === 'fatal') throw error
    if (error.code === 'fenced') return null
    return error.code === 'retriable' ? item : takeOver(client, transactions, id)
  }
}

interface Outcome {
  readonly log: MemoryLog
  readonly received: readonly string[]
  readonly trace: string
}

/**
 * Owners under two ids start, overlap, crash and are taken over at random; then one owner each
 * finishes without faults.
 */
async function rivalry(seed: number): Promise<Outcome> {
  const random = seeded(seed)
  const scheduler = shuffledScheduler(random)
  let faulty = false
  const faults = randomFaults(random, () => faulty)
  const log = memoryLog({ schedule: scheduler.schedule, faults, deliverMax: 1 + Math.floor(random() * 4) })
  const received: string[] = []
  const settled = async (work: Promise<unknown>): Promise<void> => {
    await scheduler.drain()
    await work
  }
  await settled(withTopic(log))
  await settled(receive(log, received))
  faulty = true
  const failures: unknown[] = []
  for (let i = 0; i < OWNERS; i += 1) {
    for (const id of ['left', 'right']) {
      const client = log.connect()
      own(client, id).catch((error: unknown) => failures.push(error))
      for (let turns = Math.floor(random() * 30); turns > 0 && scheduler.step(); turns -= 1) await quiet()
      if (random() < 0.4) client.crash()
    }
  }
  await scheduler.drain()
  faulty = false
  for (const id of ['left', 'right']) await settled(own(log.connect(), id))
  expect(failures).toEqual([])
  return { log, received, trace: words(log.dump(TOPIC)).join() }
}

async function receive(log: MemoryLog, received: string[]): Promise<void> {
  const consumer = log.consumer({
    group: 'watch',
    topics: [TOPIC],
    onAssigned: (held) => {
      for (const at of held) consumer.seek(at, 0)
      consumer.resume(held)
    },
    onRecords: (at, records) => received.push(...words(records).map((value) => `${at.partition} ${value}`)),
    onFailed: (error) => {
      throw error
    },
  })
  await consumer.start()
}

const ITEMS_OF = (id: string): string[] => Array.from({ length: ITEMS }, (_, item) => `${id}-${item}`)

describe('rival owners of a transactional id, with faults at every step, in any order of turns', () => {
  it('write every item exactly once, in order, whichever owner crashes, lingers or is fenced', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const { log, received } = await rivalry(seed)
        expect(log.openTransactions()).toEqual([])
        for (const partition of [0, 1]) {
          const stored = words(log.dump(TOPIC).filter((record) => record.partition === partition))
          const delivered = received.flatMap((line) =>
            line.startsWith(`${partition} `) ? [line.slice(2)] : [],
          )
          expect(delivered).toEqual(stored)
          for (const id of ['left', 'right']) {
            expect(stored.filter((value) => value.startsWith(id))).toEqual(ITEMS_OF(id))
          }
        }
      }),
      { numRuns: 100 },
    )
  }, 30_000)

  it('do the same again for the same seed', async () => {
    for (const seed of [1, 2, 3]) {
      const first = await rivalry(seed)
      const second = await rivalry(seed)
      expect(second.trace).toBe(first.trace)
      expect(second.received).toEqual(first.received)
    }
  })
})
