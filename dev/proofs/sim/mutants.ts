import { SUBMIT_RESULTS_READ_LOOKUP, type ReadingProgress } from '../../../streams/contracts/lookups.ts'
import type { ErasedProcessor, Handling, Topology } from '../../../streams/dsl/topology.ts'
import type {
  Cursor,
  Headers,
  LogClient,
  LogTransactions,
  OutRecord,
  TopicPartition,
  Written,
} from '../../../streams/log/port.ts'
import { timersOf } from '../../../streams/runtime/store/row.ts'
import type { RowChange, Store, StoredTimer, StoreFactory } from '../../../streams/runtime/store/store.ts'
import { groupOf } from '../../../streams/runtime/task/task.ts'
import { APP, type Plant } from './process.ts'

/**
 * Defects that the simulation must find, or its silence proves nothing. Each is planted around what the runtime is given: a
 * log client, a store, a topology that does something in the wrong order. Production code knows nothing of them.
 */
export const MUTANTS: Readonly<Record<string, () => Plant>> = {
  'ack-before-produce': () => withCommit(ackBeforeProduce),
  'offset-outside-transaction': () => withCommit(offsetOutside),
  'outputs-outside-transaction': () => withCommit(outputsOutside),
  'replay-not-marked': () => withCommit(replayNotMarked),
  'dedupe-off': () => ({ topologies: (topologies) => topologies.map(forgetful) }),
  'timer-not-durable': () => ({ stores: volatileTimers }),
  'overlay-applied-before-commit': overlayBeforeCommit,
  'results-not-awaited': () => ({ topologies: (topologies) => topologies.map(impatient) }),
  'take-over-without-fencing': () => ({ log: unfenced }),
  'cursor-read-before-fence': () => ({ log: cursorBeforeFence }),
  'commit-never-answers': commitNeverAnswers,
  'standby-loses-rows': () => ({ log: forgetfulReader }),
}

type Batch = Parameters<LogTransactions['commit']>[0]
type Commit = (batch: Batch, inner: LogTransactions, log: LogClient) => Promise<Written>

const withTransactions = (
  log: LogClient,
  wrap: (inner: LogTransactions, options: Parameters<LogClient['transactions']>[0]) => LogTransactions,
): LogClient => ({ ...log, transactions: (options) => wrap(log.transactions(options), options) })

const withCommit = (commit: Commit): Plant => ({
  log: (log) =>
    withTransactions(log, (inner) => ({
      fence: () => inner.fence(),
      commit: (batch) => commit(batch, inner, log),
      close: () => inner.close(),
    })),
})

const ANSWERED = 20

/** From then on a task waits for ever, in a process that looks well. */
function commitNeverAnswers(): Plant {
  let commits = 0
  return withCommit((batch, inner) => {
    commits += 1
    return commits <= ANSWERED ? inner.commit(batch) : new Promise(() => {})
  })
}

const NO_CURSORS = (): readonly Cursor[] => []

/** The cursor says that the work is done before it is. */
const ackBeforeProduce: Commit = async (batch, inner) => {
  await inner.commit({ ...batch, records: [] })
  return inner.commit({ ...batch, cursors: observing(batch) })
}

/** Two transactions: a crash between them does the work again. */
const offsetOutside: Commit = async (batch, inner) => {
  const written = await inner.commit({ ...batch, cursors: NO_CURSORS })
  await inner.commit({ ...batch, records: [], cursors: () => batch.cursors(written) })
  return written
}

const isState = ({ topic }: OutRecord): boolean => topic.endsWith('-changelog')

/** What others read is written at once; only the state is transactional. */
const outputsOutside: Commit = async (batch, inner, log) => {
  await log.writer().write(batch.records.filter((record) => !isState(record)))
  return inner.commit({ ...batch, records: batch.records.filter(isState) })
}

const unmarked = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'replayed'))

/** What a replay repeats looks new, and is sent and charged again. */
const replayNotMarked: Commit = (batch, inner) =>
  inner.commit({
    ...batch,
    records: batch.records.map((record) => ({ ...record, headers: unmarked(record.headers ?? {}) })),
  })

/** The caller learns from this call where its changelogs go on; the cursors themselves are left out. */
const observing =
  (batch: Batch) =>
  (written: Written): readonly Cursor[] => {
    batch.cursors(written)
    return []
  }

/** Whatever was seen before is new again. */
const forgetful = (topology: Topology): Topology => ({
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
    handling.handle(
      subject,
      {
        key: scope.key,
        now: scope.now,
        position: scope.position,
        replayed: scope.replayed,
        state: undefined,
        header: (name) => scope.header(name),
        put: (state) => scope.put(state),
        forget: () => scope.forget(),
        emit: (to, value) => scope.emit(to, value),
        arm: (timer, atMs) => scope.arm(timer, atMs),
        disarm: (timer) => scope.disarm(timer),
        note: (event, fields) => scope.note(event, fields),
      },
      answers,
    ),
})

/** Takes it for granted that every submit result has been read. */
const impatient = (topology: Topology): Topology => ({
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

/** Timers live in the process: what an earlier one has armed is lost, and a restore brings none back. */
const volatileTimers = (stores: StoreFactory): StoreFactory => ({
  open: async (name, onWiped) => new VolatileTimers(await stores.open(name, onWiped)),
  peek: (name) => stores.peek(name),
  destroy: (name) => stores.destroy(name),
})

class VolatileTimers implements Store {
  readonly #inner: Store
  #timers: StoredTimer[] = []
  #restoring = true

  constructor(inner: Store) {
    this.#inner = inner
  }

  checkpoint() {
    return this.#inner.checkpoint()
  }

  get(store: string, key: string) {
    return this.#inner.get(store, key)
  }

  async commit(changes: readonly RowChange[], checkpoint: Parameters<Store['commit']>[1]): Promise<void> {
    for (const { armed, disarmed } of this.#restoring ? [] : changes) {
      for (const timer of disarmed) this.#timers = this.#timers.filter((one) => !isSame(timer, one))
      this.#timers.push(...armed)
    }
    await this.#inner.commit(
      changes.map((change) => ({ ...change, armed: [], disarmed: [] })),
      checkpoint,
    )
  }

  dueTimers(untilMs: number, limit: number): Promise<readonly StoredTimer[]> {
    const due = this.#timers.filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)
    return Promise.resolve(due.slice(0, limit))
  }

  dropTimers(timers: readonly StoredTimer[]): Promise<void> {
    this.#timers = this.#timers.filter((one) => !timers.includes(one))
    return Promise.resolve()
  }

  /** A task asks this when it has restored, and not before. */
  nextDueMs(): Promise<number> {
    this.#restoring = false
    return Promise.resolve(Math.min(...this.#timers.map(({ dueMs }) => dueMs)))
  }

  countTimers(signal: AbortSignal) {
    return this.#inner.countTimers(signal)
  }

  wipe() {
    return this.#inner.wipe()
  }

  close() {
    return this.#inner.close()
  }
}

const isSame = (a: StoredTimer, b: StoredTimer): boolean =>
  a.dueMs === b.dueMs && a.timer === b.timer && a.key === b.key && a.store === b.store

/** The local store has the rows before it is known whether they will ever be committed. */
function overlayBeforeCommit(): Plant {
  const opened = new Map<string, Store>()
  return {
    stores: (stores) => ({
      open: async (name, onWiped) => {
        const store = await stores.open(name, onWiped)
        opened.set(name, store)
        return store
      },
      peek: (name) => stores.peek(name),
      destroy: (name) => stores.destroy(name),
    }),
    log: (log) =>
      withTransactions(log, (inner, { transactionalId }) => ({
        fence: () => inner.fence(),
        commit: async (batch) => {
          const store = opened.get(transactionalId.slice(APP.length + 1))
          if (store !== undefined) await store.commit(rowsIn(batch.records), store.checkpoint())
          return inner.commit(batch)
        },
        close: () => inner.close(),
      })),
  }
}

const rowsIn = (records: readonly OutRecord[]): RowChange[] =>
  records.flatMap(({ topic, key, value }) => {
    const store = /^[^-]+-(.+)-changelog$/.exec(topic)?.[1]
    if (store === undefined || key === null) return []
    const encoded = value === null ? undefined : value.toString()
    const timers = encoded === undefined || store === 'marks' ? {} : timersOf(encoded)
    const armed = Object.entries(timers).map(([timer, dueMs]) => ({
      dueMs,
      store,
      timer,
      key: key.toString(),
    }))
    return [{ store, key: key.toString(), encoded, armed, disarmed: [] }]
  })

/** A standby, which alone reads without waiting, moves on and leaves a row out: whoever is promoted has a hole. */
const forgetfulReader: NonNullable<Plant['log']> = (log) => ({
  ...log,
  reader: () => {
    const inner = log.reader()
    return {
      close: () => inner.close(),
      read: async (at, offset, limits) => {
        const read = await inner.read(at, offset, limits)
        return limits.waitMs > 0 ? read : { ...read, records: read.records.slice(1) }
      },
    }
  },
})

/** Every process writes under an id of its own, so nobody is ever fenced. */
const unfenced: NonNullable<Plant['log']> = (log, process) => ({
  ...log,
  transactions: (options) =>
    log.transactions({ ...options, transactionalId: `${options.transactionalId}.${process.name}` }),
})

const idOf = (group: string, at: readonly TopicPartition[]): string => `${group} ${at[0]?.partition}`

/** What the predecessor commits between the two is done again. */
const cursorBeforeFence: NonNullable<Plant['log']> = (log, { topologies }) => {
  const early = new Map<string, ReadonlyMap<string, Cursor>>()
  const wrapped = withTransactions(log, (inner, { transactionalId }) => ({
    fence: async () => {
      const [topology, partition] = ownerOf(transactionalId, topologies)
      const group = groupOf(APP, topology.name)
      const at = topology.inputs.map((topic) => ({ topic: topic.name, partition }))
      early.set(idOf(group, at), await log.admin.committed(group, at))
      await inner.fence()
    },
    commit: (batch) => inner.commit(batch),
    close: () => inner.close(),
  }))
  const committed: LogClient['admin']['committed'] = async (group, at) =>
    early.get(idOf(group, at)) ?? (await log.admin.committed(group, at))
  return { ...wrapped, admin: { ...log.admin, committed } }
}

function ownerOf(transactionalId: string, topologies: readonly Topology[]): readonly [Topology, number] {
  const [, name, partition] = transactionalId.split('.')
  const topology = topologies.find((candidate) => candidate.name === name)
  if (topology === undefined) throw new Error(`${transactionalId} belongs to no topology`)
  return [topology, Number(partition)]
}
