import { OutdatedError } from '../../../streams/log/port.ts'
import type {
  CursorMove,
  Headers,
  LogClient,
  LogTransactions,
  OutRecord,
  TransactionBatch,
  Written,
} from '../../../streams/log/port.ts'
import type { Plant } from './process.ts'

/** Mutants that break what the log is asked to do. */

type Commit = (batch: TransactionBatch, inner: LogTransactions, log: LogClient) => Promise<Written>

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

/** The cursor says that the work is done before it is. */
export const ackBeforeProduce: Commit = async (batch, inner) => {
  await inner.commit({ ...batch, records: [] })
  return inner.commit({ ...batch, moves: batch.moves.map(observing) })
}

/** Two transactions: a crash between them does the work again. */
export const offsetOutside: Commit = async (batch, inner) => {
  const written = await inner.commit({ ...batch, moves: [] })
  const moves = batch.moves.map((move) => ({ ...move, cursors: () => move.cursors(written) }))
  await inner.commit({ records: [], moves })
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
const observing = (move: CursorMove): CursorMove => ({
  ...move,
  cursors: (written) => {
    move.cursors(written)
    return []
  },
})

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

/** The group is not told for which generation cursors move, so it refuses nobody's. */
export const generationNotSent: Commit = (batch, inner) =>
  inner.commit({ ...batch, moves: batch.moves.map(({ group, cursors }) => ({ group, cursors })) })

/** A new owner reads the cursor that its predecessor is about to move. */
export const unstableCursors: NonNullable<Plant['log']> = (log) => ({
  ...log,
  admin: { ...log.admin, committed: (group, at) => log.admin.committed(group, at, 'asTheyAre') },
})

/** Of the groups in one transaction the last is forgotten: its tasks do their work again. */
export const oneGroupLeftOut: Commit = (batch, inner) =>
  inner.commit({ ...batch, moves: batch.moves.length > 1 ? batch.moves.slice(0, -1) : batch.moves })

/** What a group refuses is left out, but its records go with those of the others. */
export const halfRoundKept: Commit = async (batch, inner) => {
  try {
    return await inner.commit(batch)
  } catch (error) {
    if (!(error instanceof OutdatedError)) throw error
    return inner.commit({ ...batch, moves: batch.moves.filter(({ group }) => group !== error.group) })
  }
}
