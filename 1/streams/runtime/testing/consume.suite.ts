import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LogError, partitionKey, type Cursor, type LogClient, type TopicPartition } from '../../log/port.ts'
import { sleep } from '../../platform/backoff.ts'
import {
  consume,
  type Batch,
  type ConsumeOptions,
  type Consumption,
  type PartitionOwner,
} from '../consume.ts'
import { until } from './counting.suite.ts'

const PARTITIONS = 2

export interface ConsumeSuiteOptions {
  /** Another process on the same log. */
  readonly connect: () => Promise<LogClient>
  readonly unique: (name: string) => string
}

type Extra = Partial<Pick<ConsumeOptions, 'handle' | 'recordsMax' | 'ownerOf' | 'onFault' | 'log'>>

/** What whoever reads by `consume` may rely on, on whichever log: bridges and sinks. */
export function consumeSuite(name: string, options: ConsumeSuiteOptions): void {
  describe(`consume on ${name}`, { timeout: 60_000 }, () => {
    let log: LogClient
    let topic: string
    let group: string
    let running: Consumption[]
    let clients: LogClient[]

    beforeEach(async () => {
      log = await options.connect()
      clients = [log]
      running = []
      topic = options.unique('plain')
      group = options.unique('readers')
      const config = { 'retention.ms': '-1' }
      await log.admin.ensureTopics([{ name: topic, partitions: PARTITIONS, replicas: 1, config }])
    })

    afterEach(async () => {
      await Promise.all(running.map((one) => one.close()))
      await Promise.all(clients.map((one) => one.close()))
    })

    const at = (partition: number): TopicPartition => ({ topic, partition })
    const start = async (extra: Extra = {}): Promise<Consumption> => {
      const consumption = await consume({
        log,
        group,
        topics: [topic],
        handle: () => Promise.resolve(),
        recordsMax: 3,
        sleep,
        random: () => 0.5,
        onFailed: () => {},
        ...extra,
      })
      running.push(consumption)
      return consumption
    }
    const stop = async (consumption: Consumption): Promise<void> => {
      running = running.filter((one) => one !== consumption)
      await consumption.close()
    }
    const connect = async (): Promise<LogClient> => {
      const client = await options.connect()
      clients.push(client)
      return client
    }
    const write = async (partition: number, ...values: readonly string[]): Promise<void> => {
      const writer = log.writer()
      const record = { ...at(partition), key: 'key', timestamp: 1_700_000_000_000 }
      for (const value of values) await writer.write([{ ...record, value }])
      await writer.close()
    }
    const cursor = async (partition = 0): Promise<Cursor | undefined> =>
      (await log.admin.committed(group, [at(partition)])).get(partitionKey(at(partition)))
    const untilAt = (next: number, partition = 0): Promise<void> =>
      until(async () => ((await cursor(partition))?.next ?? 0) === next, `the cursor at ${next}`)

    it('gives every record once, in the order of its partition, in batches of bounded size', async () => {
      const batches: Batch[] = []
      await write(0, 'a', 'b', 'c', 'd', 'e', 'f', 'g')
      await write(1, 'x')
      await start({ handle: async (batch) => void batches.push(batch) })
      await untilAt(7)
      await untilAt(1, 1)
      expect(valuesOf(batches.filter(({ partition }) => partition === 0))).toEqual('abcdefg'.split(''))
      expect(valuesOf(batches.filter(({ partition }) => partition === 1))).toEqual(['x'])
      expect(Math.max(...batches.map(({ records }) => records.length))).toBeLessThanOrEqual(3)
    })

    it('moves the cursor only after the handler has resolved', async () => {
      const held = new Gate()
      await write(0, 'a', 'b')
      await start({ handle: () => held.pass() })
      await until(() => held.isWaiting(), 'a batch in hand')
      await write(1, 'x')
      expect(await cursor()).toBeUndefined()
      held.open()
      await untilAt(2)
    })

    it('gives a batch that failed again, after a back-off, and holds up only its own partition', async () => {
      const attempts: number[] = []
      const given: string[][] = []
      let isPoisoned = true
      await write(0, 'poison', 'b')
      await write(1, 'x')
      await start({
        handle: async (batch) => {
          if (batch.partition !== 0) return
          given.push(valuesOf([batch]))
          if (isPoisoned) throw new Error('not now')
        },
        onFault: (_, __, attempt) => attempts.push(attempt),
      })
      await until(() => attempts.length >= 3, 'three attempts')
      await untilAt(1, 1)
      expect(await cursor()).toBeUndefined()
      isPoisoned = false
      await untilAt(2)
      expect(attempts.slice(0, 3)).toEqual([1, 2, 3])
      expect(new Set(given.slice(0, 3).map((values) => values[0]))).toEqual(new Set(['poison']))
    })

    it('goes on at its cursor after a stop, and the batch in hand is finished before it leaves', async () => {
      const held = new Gate()
      await write(0, 'a', 'b')
      const first = await start({ handle: () => held.pass() })
      await until(() => held.isWaiting(), 'a batch in hand')
      const stopped = stop(first)
      held.open()
      await stopped
      expect((await cursor())?.next).toBeGreaterThan(0)
      const seen: Batch[] = []
      await write(0, 'c')
      await start({ handle: async (batch) => void seen.push(batch) })
      await untilAt(3)
      expect(valuesOf(seen)).not.toContain('a')
      expect(valuesOf(seen)).toContain('c')
    })

    it('gives a lost partition up, and the next member goes on behind what was done', async () => {
      const seen: string[] = []
      const note = async (batch: Batch): Promise<void> => void seen.push(...valuesOf([batch]))
      await write(0, 'a')
      await write(1, 'a')
      const first = await start({ handle: note })
      await untilAt(1)
      await untilAt(1, 1)
      const second = await start({ handle: note, log: await connect() })
      await until(
        () => first.standings().length === 1 && second.standings().length === 1,
        'one partition each',
      )
      await write(0, 'b')
      await write(1, 'b')
      await untilAt(2)
      await untilAt(2, 1)
      await stop(first)
      await until(() => second.standings().length === PARTITIONS, 'both at the second')
      await write(0, 'c')
      await write(1, 'c')
      await untilAt(3)
      await untilAt(3, 1)
      expect(seen.sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c'])
    })

    it('waits for its receiver when the buffer is full, and loses nothing of what came meanwhile', async () => {
      const held = new Gate()
      await write(0, ...Array.from({ length: 40 }, (_, n) => String(n)))
      const seen: Batch[] = []
      const consumption = await start({
        handle: async (batch) => {
          await held.pass()
          seen.push(batch)
        },
      })
      await until(() => (consumption.buffered().get(partitionKey(at(0))) ?? 0) >= 6, 'a full buffer')
      held.open()
      await untilAt(40)
      expect(valuesOf(seen)).toEqual(Array.from({ length: 40 }, (_, n) => String(n)))
    })

    it('begins at the first record that is there when its cursor is beyond the end', async () => {
      await write(0, 'a', 'b')
      await log.admin.moveCursors(group, [{ ...at(0), next: 900, metadata: '' }])
      const seen: Batch[] = []
      await start({ handle: async (batch) => void seen.push(batch) })
      await untilAt(2)
      expect(valuesOf(seen)).toEqual(['a', 'b'])
    })

    describe('with an owner', () => {
      it('opens, handles and commits in turn, and the cursor moves by the owner alone', async () => {
        const owner = new NotingOwner(await fenced(log, group))
        await write(0, 'a')
        await start({ ownerOf: ({ partition }) => (partition === 0 ? owner : undefined) })
        await untilAt(1)
        expect(owner.calls).toEqual(['open', 'handle a', 'done a', 'commit 1'])
        await write(0, 'b')
        await untilAt(2)
        expect(owner.calls.slice(4)).toEqual(['handle b', 'done b', 'commit 2'])
      })

      it('fault R12: a fenced partition is closed until the group has assigned it in a newer generation', async () => {
        const owner = new NotingOwner(await fenced(log, group))
        await start({ ownerOf: ({ partition }) => (partition === 0 ? owner : undefined) })
        await until(() => owner.calls.includes('open'), 'an open partition')
        owner.fail('handle', new LogError('fenced', 'somebody else has it'))
        await write(0, 'a')
        await untilAt(1)
        const again = owner.calls.indexOf('open', 1)
        expect(owner.calls.slice(0, again)).toEqual(['open', 'handle a', 'doubt'])
        expect(owner.calls.slice(again)).toEqual(['open', 'handle a', 'done a', 'commit 1'])
      })

      it('a commit of unknown outcome is settled by opening anew, and the cursor says what is done', async () => {
        const owner = new NotingOwner(await fenced(log, group))
        await start({ ownerOf: ({ partition }) => (partition === 0 ? owner : undefined) })
        await until(() => owner.calls.includes('open'), 'an open partition')
        owner.fail('reply', new LogError('unknown', 'no answer'))
        await write(0, 'a')
        await until(() => owner.calls.filter((call) => call === 'open').length === 2, 'opened again')
        await write(0, 'b')
        await untilAt(2)
        expect(owner.calls.filter((call) => call.startsWith('handle'))).toEqual(['handle a', 'handle b'])
      })

      it('moves the cursor at an interval, and when the partition is left', async () => {
        const owner = new NotingOwner(await fenced(log, group))
        const consumption = await start({
          ownerOf: ({ partition }) => (partition === 0 ? owner : undefined),
        })
        for (let n = 0; n < 20; n += 1) {
          await write(0, `${n}`)
          await until(() => owner.calls.includes(`done ${n}`), 'a batch that is done')
        }
        await stop(consumption)
        expect(owner.calls.at(-1)).toBe('commit 20')
        expect((await cursor())?.next).toBe(20)
        expect(owner.calls.filter((call) => call.startsWith('commit')).length).toBeLessThan(20)
      })

      it('repeats only the commit when nothing of it has happened', async () => {
        const owner = new NotingOwner(await fenced(log, group))
        await start({ ownerOf: ({ partition }) => (partition === 0 ? owner : undefined) })
        await until(() => owner.calls.includes('open'), 'an open partition')
        owner.fail('commit', new LogError('retriable', 'not now'))
        await write(0, 'a')
        await untilAt(1)
        expect(owner.calls).toEqual(['open', 'handle a', 'done a', 'commit 1', 'commit 1'])
      })
    })
  })
}

const valuesOf = (batches: readonly Batch[]): string[] =>
  batches.flatMap(({ records }) => records.map(({ value }) => value?.toString() ?? ''))

/** Holds whoever passes until it is opened. */
class Gate {
  #waiting = 0
  #open = false
  readonly #held = new Set<() => void>()

  pass(): Promise<void> {
    this.#waiting += 1
    if (this.#open) return Promise.resolve()
    return new Promise((resolve) => this.#held.add(resolve))
  }

  isWaiting(): boolean {
    return this.#waiting > 0
  }

  open(): void {
    this.#open = true
    for (const resolve of this.#held) resolve()
  }
}

interface Moves {
  fence(): Promise<void>
  move(cursor: Cursor): Promise<void>
}

async function fenced(log: LogClient, group: string): Promise<Moves> {
  const transactions = log.transactions({ transactionalId: `${group}.0`, timeoutMs: 10_000 })
  return {
    fence: () => transactions.fence(),
    move: async (cursor) => {
      await transactions.commit({ records: [], moves: [{ group, cursors: () => [cursor] }] })
    },
  }
}

/** Notes what is asked of it; one step may be made to fail once. */
class NotingOwner implements PartitionOwner {
  readonly calls: string[] = []
  readonly #moves: Moves
  #failing: { readonly step: 'handle' | 'commit' | 'reply'; readonly error: LogError } | undefined

  constructor(moves: Moves) {
    this.#moves = moves
  }

  fail(step: 'handle' | 'commit' | 'reply', error: LogError): void {
    this.#failing = { step, error }
  }

  async open(): Promise<void> {
    this.calls.push('open')
    await this.#moves.fence()
  }

  async handle(batch: Batch): Promise<void> {
    this.calls.push(`handle ${valuesOf([batch]).join(' ')}`)
    this.#failOnce('handle')
  }

  done(batch: Batch): void {
    this.calls.push(`done ${valuesOf([batch]).join(' ')}`)
  }

  async commit(cursor: Cursor): Promise<void> {
    this.calls.push(`commit ${cursor.next}`)
    this.#failOnce('commit')
    await this.#moves.move(cursor)
    this.#failOnce('reply')
  }

  doubt(): void {
    this.calls.push('doubt')
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #failOnce(step: 'handle' | 'commit' | 'reply'): void {
    if (this.#failing?.step !== step) return
    const { error } = this.#failing
    this.#failing = undefined
    throw error
  }
}
