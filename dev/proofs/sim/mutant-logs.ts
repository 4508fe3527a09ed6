import type { Topology } from '../../../streams/dsl/topology.ts'
import type {
  Cursor,
  Headers,
  LogClient,
  LogTransactions,
  OutRecord,
  TopicPartition,
  Written,
} from '../../../streams/log/port.ts'
import { groupOf } from '../../../streams/runtime/task/names.ts'
import { APP, type Plant } from './process.ts'

/** Mutants that break what the log is asked to do. */

type Batch = Parameters<LogTransactions['commit']>[0]
type Commit = (batch: Batch, inner: LogTransactions, log: LogClient) => Promise<Written>

export const withTransactions = (
  log: LogClient,
  wrap: (inner: LogTransactions, options: Parameters<LogClient['transactions']>[0]) => LogTransactions,
): LogClient => ({ ...log, transactions: (options) => wrap(log.transactions(options), options) })

export const withCommit = (commit: Commit): Plant => ({
  log: (log) =>
    withTransactions(log, (inner) => ({
      fence: () => inner.fence(),
      commit: (batch) => commit(batch, inner, log),
      close: () => inner.close(),
    })),
})

const ANSWERED = 20

/** From then on a task waits for ever, in a process that looks well. */
export function commitNeverAnswers(): Plant {
  let commits = 0
  return withCommit((batch, inner) => {
    commits += 1
    return commits <= ANSWERED ? inner.commit(batch) : new Promise(() => {})
  })
}

const NO_CURSORS = (): readonly Cursor[] => []

/** The cursor says that the work is done before it is. */
export const ackBeforeProduce: Commit = async (batch, inner) => {
  await inner.commit({ ...batch, records: [] })
  return inner.commit({ ...batch, cursors: observing(batch) })
}

/** Two transactions: a crash between them does the work again. */
export const offsetOutside: Commit = async (batch, inner) => {
  const written = await inner.commit({ ...batch, cursors: NO_CURSORS })
  await inner.commit({ ...batch, records: [], cursors: () => batch.cursors(written) })
  return written
}

const isState = ({ topic }: OutRecord): boolean => topic.endsWith('-changelog')

/** What others read is written at once; only the state is transactional. */
export const outputsOutside: Commit = async (batch, inner, log) => {
  await log.writer().write(batch.records.filter((record) => !isState(record)))
  return inner.commit({ ...batch, records: batch.records.filter(isState) })
}

export const unmarked = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'replayed'))

/** What a replay repeats looks new, and is sent and charged again. */
export const replayNotMarked: Commit = (batch, inner) =>
  inner.commit({
    ...batch,
    records: batch.records.map((record) => ({ ...record, headers: unmarked(record.headers ?? {}) })),
  })

/**
 * The caller learns from this call where its changelogs go on; the cursors themselves are left out.
 */
const observing =
  (batch: Batch) =>
  (written: Written): readonly Cursor[] => {
    batch.cursors(written)
    return []
  }

/**
 * A standby, which alone reads without waiting, moves on and leaves a row out: the one that is
 * promoted has a hole.
 */
export const forgetfulReader: NonNullable<Plant['log']> = (log) => ({
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

/** A restore that passes over tombstones brings back what was forgotten. */
export const tombstonesNotRead: NonNullable<Plant['log']> = (log) => ({
  ...log,
  reader: () => {
    const inner = log.reader()
    return {
      close: () => inner.close(),
      read: async (at, offset, limits) => {
        const read = await inner.read(at, offset, limits)
        return { ...read, records: read.records.filter(({ value }) => value !== null) }
      },
    }
  },
})

/** Every process writes under an id of its own, so nobody is ever fenced. */
export const unfenced: NonNullable<Plant['log']> = (log, process) => ({
  ...log,
  transactions: (options) =>
    log.transactions({ ...options, transactionalId: `${options.transactionalId}.${process.name}` }),
})

const idOf = (group: string, at: readonly TopicPartition[]): string => `${group} ${at[0]?.partition}`

/** What the predecessor commits between the two is done again. */
export const cursorBeforeFence: NonNullable<Plant['log']> = (log, { topologies }) => {
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
