import { sleep } from '../../../platform/backoff.ts'
import { LogError, partitionKey } from '../../port.ts'
import type { Cursor, LogClient, LogConsumer, TopicPartition } from '../../port.ts'
import { text, until } from '../../testing/scene.suite.ts'
import type { Brokers } from './brokers.suite.ts'
import { unique } from './held-transaction.suite.ts'

/** Brokers and a busy machine are to do something else than to serve this. */
const PAUSE_MS = 20
const TIMEOUT_MS = 10_000
const READ = { bytesMax: 1_000_000, waitMs: 20 }

const PARTS = ['written', 'committed', 'followed', 'read', 'bounds'] as const

/** How far each part has come. */
type Progress = Record<(typeof PARTS)[number], number>

export interface TrafficNames {
  /** The group of the member. */
  readonly follower: string
  readonly transactionalId: string
}

export const newNames = (): TrafficNames => ({
  follower: unique('follower'),
  transactionalId: unique('traffic'),
})

/**
 * Everything that the client can do, in loops side by side: a writer counts up on one partition,
 * transactions count up on another and move a cursor with each number, a member follows both, a
 * reader and the administration look on. What the port allows may happen (a repetition after
 * `retriable`, a fence after `unknown`), and nothing else: `faults` compares what is committed.
 */
export class Traffic {
  readonly plain: TopicPartition
  readonly counted: TopicPartition
  readonly group = unique('traffic')
  readonly follower: string
  readonly transactionalId: string
  readonly progress: Progress = { written: 0, committed: 0, followed: 0, read: 0, bounds: 0 }
  readonly #client: LogClient
  readonly #loops: Promise<void>[] = []
  readonly #acknowledged: string[] = []
  readonly #followed = new Map<string, string[]>()
  readonly #failures: unknown[] = []
  #consumer: LogConsumer | undefined
  #isOver = false

  private constructor(
    client: LogClient,
    names: TrafficNames,
    plain: TopicPartition,
    counted: TopicPartition,
  ) {
    this.#client = client
    this.follower = names.follower
    this.transactionalId = names.transactionalId
    this.plain = plain
    this.counted = counted
  }

  static async start(brokers: Brokers, client: LogClient, names = newNames()): Promise<Traffic> {
    const [plain, counted] = [await brokers.partition('plain'), await brokers.partition('counted')]
    const traffic = new Traffic(client, names, plain, counted)
    traffic.#follow()
    const fail = (error: unknown): void => void traffic.#failures.push(error)
    const loops = [traffic.#write(), traffic.#commit(), traffic.#read(), traffic.#look()]
    traffic.#loops.push(...loops.map((loop) => loop.catch(fail)))
    return traffic
  }

  /** Every part goes on by so much, in the time that the test has. */
  async advance(by: number, withinMs = 60_000): Promise<void> {
    const from = { ...this.progress }
    const deadline = Date.now() + withinMs
    while (PARTS.some((part) => this.progress[part] < from[part] + by)) {
      if (this.#failures.length > 0) throw this.#failures[0]
      if (Date.now() > deadline)
        throw new Error(`stands still: ${JSON.stringify(from)}, later ${JSON.stringify(this.progress)}`)
      await sleep(20)
    }
  }

  /** Ends the loops; the member goes on until `faults` has looked at it. */
  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#loops)
  }

  /**
   * What is wrong with what has come of it, empty when nothing is: nothing lost, nothing twice,
   * nothing half, and the member has seen the same as everybody.
   */
  async faults(direct: LogClient): Promise<readonly string[]> {
    const { progress, group } = this
    const [plain, counted] = [await valuesAt(direct, this.plain), await valuesAt(direct, this.counted)]
    const cursor = await cursorOf(direct, group, this.counted)
    // And the ends of both.
    await this.#caughtUp(plain.length + counted.length + 2)
    await this.#consumer?.stop()
    const held = new Set(plain)
    const rising = [...held].sort((a, b) => Number(a) - Number(b))
    const numbers = counted.map((_, n) => String(n))
    return [
      ...this.#failures.map((failure) => `failed: ${String(failure)}`),
      ...unless('the counted ones', isSame(counted, numbers), counted.join()),
      ...unless(
        'commits',
        counted.length >= progress.committed,
        `${counted.length}, ${progress.committed} told`,
      ),
      ...unless('the cursor', cursor === counted.length, `${cursor} of ${counted.length}`),
      ...unless('the plain ones', isSame(plain, rising), plain.join()),
      ...this.#acknowledged.filter((value) => !held.has(value)).map((value) => `lost: ${value}`),
      ...this.#seen(this.counted, counted),
      ...this.#seen(this.plain, plain),
    ]
  }

  #seen(at: TopicPartition, expected: readonly string[]): readonly string[] {
    const seen = (this.#followed.get(partitionKey(at)) ?? []).filter((value) => value !== END)
    return unless(`seen in ${at.topic}`, isSame(seen, expected), `${seen.join()} of ${expected.join()}`)
  }

  async #caughtUp(records: number): Promise<void> {
    const deadline = Date.now() + 30_000
    while (this.progress.followed < records && Date.now() < deadline) await sleep(20)
  }

  async #write(): Promise<void> {
    const writer = this.#client.writer()
    for (let n = 0; !this.#isOver; n += 1) {
      try {
        await writer.write([text(this.plain, String(n))])
        this.#acknowledged.push(String(n))
        this.progress.written += 1
      } catch (error) {
        if (!(error instanceof LogError) || error.code === 'fatal') throw error
      }
      await sleep(PAUSE_MS)
    }
    await writer.close()
  }

  async #commit(): Promise<void> {
    const options = { transactionalId: this.transactionalId, timeoutMs: TIMEOUT_MS }
    const transactions = this.#client.transactions(options)
    let next: number | undefined
    while (!this.#isOver) {
      try {
        next ??= await this.#takeOver(() => transactions.fence())
        const cursor = { ...this.counted, next: next + 1, metadata: '' }
        const records = [text(this.counted, String(next))]
        await transactions.commit({ records, moves: [{ group: this.group, cursors: () => [cursor] }] })
        next += 1
        this.progress.committed += 1
      } catch (error) {
        if (!(error instanceof LogError) || error.code === 'fatal') throw error
        if (error.code !== 'retriable') next = undefined
      }
      await sleep(PAUSE_MS)
    }
    await transactions.close()
  }

  async #takeOver(fence: () => Promise<void>): Promise<number> {
    await fence()
    return (await cursorOf(this.#client, this.group, this.counted)) ?? 0
  }

  async #read(): Promise<void> {
    const reader = this.#client.reader()
    for (let next = 0; !this.#isOver; ) {
      const read = await again(() => reader.read(this.counted, next, READ))
      next = read?.next ?? next
      this.progress.read += read === undefined ? 0 : 1
      await sleep(PAUSE_MS)
    }
    await reader.close()
  }

  async #look(): Promise<void> {
    const { admin } = this.#client
    while (!this.#isOver) {
      const bounds = await again(() => admin.bounds([this.plain, this.counted]))
      this.progress.bounds += bounds === undefined ? 0 : 1
      await sleep(PAUSE_MS)
    }
  }

  #follow(): void {
    const positions = new Map<string, number>()
    let held: readonly string[] = []
    const consumer: LogConsumer = this.#client.consumer({
      group: this.follower,
      topics: [this.plain.topic, this.counted.topic],
      onAssigned: (now) => {
        const added = now.filter((at) => !held.includes(partitionKey(at)))
        held = now.map(partitionKey)
        for (const at of added) {
          consumer.seek(at, positions.get(partitionKey(at)) ?? 0)
          consumer.resume([at])
        }
      },
      onRecords: (at, records, next) => {
        const key = partitionKey(at)
        positions.set(key, next)
        const seen = this.#followed.get(key) ?? []
        seen.push(...records.map(({ value }) => String(value)))
        this.#followed.set(key, seen)
        this.progress.followed += records.length
      },
      onFailed: (error) => this.#failures.push(error),
    })
    this.#consumer = consumer
    consumer.start().catch((error: unknown) => this.#failures.push(error))
  }
}

/** What may fail for the moment, tried again by the loop; anything else is a failure. */
async function again<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof LogError && error.code !== 'fatal') return undefined
    throw error
  }
}

export async function cursorOf(
  client: LogClient,
  group: string,
  at: TopicPartition,
): Promise<Cursor['next'] | undefined> {
  return (await client.admin.committed(group, [at])).get(partitionKey(at))?.next
}

/** The record that `valuesAt` writes. */
const END = 'the end'

/**
 * All that is committed in a partition. The end of a transaction is told before its markers are
 * written, so a last record is written and waited for: before it all is decided.
 */
export async function valuesAt(client: LogClient, at: TopicPartition): Promise<string[]> {
  const writer = client.writer()
  await writer.write([text(at, END)])
  await writer.close()
  const reader = client.reader()
  const values: string[] = []
  let from = 0
  await until(`the end of ${partitionKey(at)}`, async () => {
    const { records, next } = await reader.read(at, from, READ)
    values.push(...records.map(({ value }) => String(value)))
    from = next
    return values.includes(END)
  })
  await reader.close()
  return values.filter((value) => value !== END)
}

const isSame = (some: readonly string[], others: readonly string[]): boolean => some.join() === others.join()

const unless = (what: string, isRight: boolean, found: string): readonly string[] =>
  isRight ? [] : [`${what}: ${found}`]
