import { bridgeMarks } from '../../../streams/contracts/operators.ts'
import {
  type ConsumerOptions,
  type LogClient,
  LogError,
  type LogConsumer,
  type LogRecord,
  type OutRecord,
} from '../../../streams/log/port.ts'
import type { Publisher } from '../../../bridges/nats/outbound/publish.ts'
import { unmarked, withTransactions } from './mutant-logs.ts'
import type { Plant } from './process.ts'

/** Mutants that break what a bridge does between the log and NATS. */

type BridgeLog = NonNullable<Plant['bridgeLog']>

/** The members of a log's groups see something else, or do something when they see it. */
const withRecords =
  (
    onRecords: (
      given: ConsumerOptions['onRecords'],
      consumer: () => LogConsumer,
    ) => ConsumerOptions['onRecords'],
  ): BridgeLog =>
  (log) => ({
    ...log,
    consumer: (options) => {
      const consumer: LogConsumer = log.consumer({
        ...options,
        onRecords: onRecords(
          (at, records, next) => options.onRecords(at, records, next),
          () => consumer,
        ),
      })
      return consumer
    },
  })

/** What NATS has not acknowledged is done, as far as the group is concerned. */
export const cursorBeforeAck = withRecords((onRecords, consumer) => (at, records, next) => {
  consumer()
    .commit([{ ...at, next, metadata: '' }])
    .catch(passed)
  onRecords(at, records, next)
})

function passed(error: unknown): void {
  if (!(error instanceof LogError)) throw error
}

/** What a replay has repeated goes out to the operators. */
export const replayedPublished = withRecords((onRecords) => (at, records, next) => {
  const taken = records.map((record): LogRecord => ({ ...record, headers: unmarked(record.headers) }))
  onRecords(at, taken, next)
})

const isMark = ({ topic }: OutRecord): boolean => topic === bridgeMarks.name
const withoutMarks = (records: readonly OutRecord[]) => records.filter((record) => !isMark(record))

/** The cursor moves and nobody waits for the mark, which leaves with the next one. */
export const markNotAwaited: BridgeLog = (log) => {
  const marks = log.writer()
  let waiting: readonly OutRecord[] = []
  const send = (records: readonly OutRecord[]): void => {
    if (records.length === 0) return
    if (waiting.length > 0) marks.write(waiting).catch(passed)
    waiting = records
  }
  const wrapped = withTransactions(log, (inner) => ({
    fence: () => inner.fence(),
    commit: (batch) => {
      send(batch.records.filter(isMark))
      return inner.commit({ ...batch, records: withoutMarks(batch.records) })
    },
    close: () => inner.close(),
  }))
  return { ...wrapped, writer: () => notAwaiting(log.writer(), send) }
}

function notAwaiting(
  inner: ReturnType<LogClient['writer']>,
  send: (records: readonly OutRecord[]) => void,
): ReturnType<LogClient['writer']> {
  return {
    write: (records) => {
      send(records.filter(isMark))
      const rest = withoutMarks(records)
      return rest.length === 0 ? Promise.resolve(new Map()) : inner.write(rest)
    },
    close: () => inner.close(),
  }
}

/** A process of bridges knows only what it has published itself. */
export const marksNotRead: BridgeLog = (log) => ({
  ...log,
  reader: () => {
    const inner = log.reader()
    return {
      close: () => inner.close(),
      read: async (at, offset, limits) => {
        const read = await inner.read(at, offset, limits)
        return at.topic === bridgeMarks.name ? { ...read, records: [] } : read
      },
    }
  },
})

/** NATS forgets the message before the log has it. */
export const inboundAckFirst: NonNullable<Plant['reader']> = (readerOf) => (options) =>
  readerOf({
    ...options,
    deliver: (message) => {
      message.ack()
      options.deliver(message)
    },
  })

/** NATS cannot tell a resend from an event of its own. */
export function namelessPublishes(): Plant {
  let published = 0
  return {
    publisher: (publisher) => ({
      publish: (...[publication, ...more]: Parameters<Publisher['publish']>) => {
        published += 1
        return publisher.publish(
          { ...publication, messageId: `${publication.messageId}:${published}` },
          ...more,
        )
      },
    }),
  }
}
