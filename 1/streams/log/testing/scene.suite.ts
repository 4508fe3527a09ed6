/**
 * What every part of the conformance suite needs: a log under test, names of its own for each case,
 * a group member that notes what it gets, and waiting for facts instead of for time. Uses the port
 * only, because a broker runs it too.
 */
import { expect } from 'vitest'
import { LogError, partitionKey } from '../port.ts'
import type {
  Cursor,
  HeaderValue,
  Headers,
  LogClient,
  LogConsumer,
  LogRecord,
  LogTransactions,
  OutRecord,
  Standby,
  StandbyOptions,
  TopicPartition,
  Written,
} from '../port.ts'

/**
 * A transaction held open, which the port's one-step commit cannot show. Each call resolves when it
 * is done there.
 */
export interface OpenTransactionHook {
  write(records: readonly OutRecord[]): Promise<unknown>
  commit(): Promise<void>
  abort(): Promise<void>
}

/** What an implementation brings to the suite. */
export interface LogFixture {
  /** Another process on the same log; the suite closes it. */
  connect(): LogClient | Promise<LogClient>
  /** Copies of each topic of the suite; 1 unless given. */
  readonly replicas?: number
  /** Makes a name that no other run uses, for topics, groups and transactional ids. */
  unique(name: string): string
  /**
   * Fences the id and opens a transaction under it. Without this hook the cases that need it are
   * skipped.
   */
  openTransaction?(transactionalId: string): Promise<OpenTransactionHook>
  /**
   * Makes the group forget a member that does not notice (session timeout). Without it that case is
   * skipped.
   */
  expelMember?(consumer: LogConsumer): Promise<void>
  /** After the suite. */
  close(): Promise<void>
}

export const TIMESTAMP = 1_700_000_000_123
const DEADLINE_MS = 30_000
const POLL_MS_MAX = 100

/** Waits until the fact holds. Fails with what was awaited once the deadline has passed. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  for (let pauseMs = 1; !(await holds()); pauseMs = Math.min(pauseMs * 2, POLL_MS_MAX)) {
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

export function text(at: TopicPartition, value: string, key: string | null = 'key'): OutRecord {
  return { topic: at.topic, partition: at.partition, key, value, timestamp: TIMESTAMP }
}

export function valuesOf(records: readonly LogRecord[]): string[] {
  return records.map((record) => record.value?.toString() ?? '')
}

/**
 * Every header as a list of hexadecimal values: implementations may show a single value with or
 * without a list.
 */
export function headersOf(headers: Headers | undefined): Record<string, string[]> {
  const lists = Object.entries(headers ?? {}).map(([name, value]): [string, string[]] => {
    const all: readonly HeaderValue[] = typeof value === 'string' || Buffer.isBuffer(value) ? [value] : value
    return [name, all.map((one) => Buffer.from(one).toString('hex'))]
  })
  return Object.fromEntries(lists)
}

export async function expectLogError(promise: Promise<unknown>, code: LogError['code']): Promise<LogError> {
  const outcome = await promise.then(
    () => 'nothing',
    (error: unknown) => error,
  )
  if (!(outcome instanceof LogError)) throw new Error(`expected a LogError, got ${String(outcome)}`)
  expect(outcome.code).toBe(code)
  return outcome
}

/**
 * A group member that notes what it gets. New partitions wait for `go`, unless it follows from the
 * beginning.
 */
export class Follower {
  readonly consumer: LogConsumer
  held: readonly TopicPartition[] = []
  standbys: readonly Standby[] = []
  generation = -1
  calls = 0
  failure: LogError | null = null
  readonly #records = new Map<string, LogRecord[]>()
  readonly #next = new Map<string, number>()

  constructor(
    client: LogClient,
    group: string,
    topics: readonly string[],
    from: 'the beginning' | 'where told',
    standby?: StandbyOptions,
  ) {
    this.consumer = client.consumer({
      group,
      topics,
      ...(standby !== undefined && { standby }),
      onAssigned: (held, generation, standbys) => {
        this.standbys = standbys
        this.#take(held, generation, from === 'the beginning')
      },
      onRecords: (at, records, next) => this.#note(at, records, next),
      onFailed: (error) => {
        this.calls += 1
        this.failure = error
      },
    })
  }

  go(at: TopicPartition, offset: number): void {
    this.consumer.seek(at, offset)
    this.consumer.resume([at])
  }

  records(at: TopicPartition): readonly LogRecord[] {
    return this.#records.get(partitionKey(at)) ?? []
  }

  values(at: TopicPartition): string[] {
    return valuesOf(this.records(at))
  }

  next(at: TopicPartition): number | undefined {
    return this.#next.get(partitionKey(at))
  }

  holds(at: TopicPartition): boolean {
    return this.held.some((one) => partitionKey(one) === partitionKey(at))
  }

  #take(held: readonly TopicPartition[], generation: number, starts: boolean): void {
    this.calls += 1
    const added = held.filter((at) => !this.holds(at))
    this.held = held
    this.generation = generation
    if (starts) for (const at of added) this.go(at, 0)
  }

  #note(at: TopicPartition, records: readonly LogRecord[], next: number): void {
    this.calls += 1
    this.#records.set(partitionKey(at), [...this.records(at), ...records])
    this.#next.set(partitionKey(at), next)
  }
}

/** One log under test with a client of its own, and the steps that cases have in common. */
export class Scene {
  readonly fixture: LogFixture
  readonly client: LogClient
  #closing: (() => Promise<void>)[] = []

  constructor(fixture: LogFixture, client: LogClient) {
    this.fixture = fixture
    this.client = client
  }

  unique(name: string): string {
    return this.fixture.unique(name)
  }

  /** A new topic that keeps everything, however old the test's timestamps are. */
  async topic(name: string, partitions: number): Promise<string> {
    const unique = this.unique(name)
    const config = { 'retention.ms': '-1' }
    const { replicas = 1 } = this.fixture
    await this.client.admin.ensureTopics([{ name: unique, partitions, replicas, config }])
    return unique
  }

  async partition(name: string): Promise<TopicPartition> {
    return { topic: await this.topic(name, 1), partition: 0 }
  }

  /** Resolves when the member has been assigned something. */
  async follow(
    group: string,
    topics: readonly string[],
    from: 'the beginning' | 'where told' = 'the beginning',
  ): Promise<Follower> {
    const follower = await this.join(new Follower(this.client, group, topics, from))
    await until('an assignment', () => follower.held.length > 0)
    return follower
  }

  /** Resolves when the member has a generation, be it without a partition. */
  async join(follower: Follower): Promise<Follower> {
    this.#closing.push(() => follower.consumer.stop())
    await follower.consumer.start()
    await until('a generation', () => follower.generation >= 0)
    return follower
  }

  /** A fenced writer under the id. */
  async transactions(transactionalId: string, client: LogClient = this.client): Promise<LogTransactions> {
    const transactions = client.transactions({ transactionalId, timeoutMs: 10_000 })
    this.#closing.push(() => transactions.close())
    await transactions.fence()
    return transactions
  }

  /** Commits records in a transaction of their own, without cursors. */
  async commit(records: readonly OutRecord[]): Promise<Written> {
    const transactions = await this.transactions(this.unique('single'))
    return transactions.commit({ records, moves: [] })
  }

  async write(records: readonly OutRecord[]): Promise<Written> {
    const writer = this.client.writer()
    this.#closing.push(() => writer.close())
    return writer.write(records)
  }

  async connect(): Promise<LogClient> {
    const client = await this.fixture.connect()
    this.#closing.push(() => client.close())
    return client
  }

  /**
   * Reads from the offset until a record with this value has come; with it all that could be seen
   * before it.
   */
  async readTo(value: string, at: TopicPartition, offset = 0): Promise<LogRecord[]> {
    const reader = this.client.reader()
    this.#closing.push(() => reader.close())
    const records: LogRecord[] = []
    let position = offset
    await until(`the record ${value}`, async () => {
      const fetched = await reader.read(at, position, { bytesMax: 1_000_000, waitMs: 50 })
      records.push(...fetched.records)
      position = fetched.next
      return valuesOf(fetched.records).includes(value)
    })
    return records
  }

  async end(at: TopicPartition): Promise<number> {
    const bounds = await this.client.admin.bounds([at])
    return bounds.get(partitionKey(at))?.end ?? -1
  }

  async cursor(group: string, at: TopicPartition): Promise<Cursor | undefined> {
    const cursors = await this.client.admin.committed(group, [at])
    return cursors.get(partitionKey(at))
  }

  /** After each case, newest first. */
  async close(): Promise<void> {
    const closing = this.#closing.toReversed()
    this.#closing = []
    for (const close of closing) await close()
  }
}
