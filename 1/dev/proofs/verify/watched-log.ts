import {
  LogError,
  partitionKey,
  type Cursor,
  type LogClient,
  type LogConsumer,
} from '../../../streams/log/port.ts'
import type { Logger } from '../../../streams/platform/logger.ts'

/** Tells each new generation of a group, from which the verifier counts rebalances. */
export const tellingGenerations = (log: LogClient, logger: Logger): LogClient => ({
  ...log,
  consumer: (options) =>
    log.consumer({
      ...options,
      onAssigned: (held, generation, standbys) => {
        logger.info('verify.generation', { group: options.group, offset: generation, records: held.length })
        options.onAssigned(held, generation, standbys)
      },
    }),
})

/** As long as an idle consumer's automatic commit would leave it. */
const COMMIT_EVERY_MS = 500

/**
 * The planted defect: outputs are committed in their transaction, cursors some time later outside
 * of it, as a consumer with automatic commits would do it. A verifier that does not notice proves
 * nothing.
 */
export function withCursorsOutside(log: LogClient): LogClient {
  const consumers = new Map<string, LogConsumer>()
  const pending = new Map<string, Map<string, Cursor>>()
  const flush = async (): Promise<void> => {
    for (const [group, cursors] of pending) {
      pending.delete(group)
      try {
        await consumers.get(group)?.commit([...cursors.values()])
      } catch (error) {
        // Lost, as an automatic commit that comes too late is.
        if (!(error instanceof LogError)) throw error
      }
    }
  }
  const timer = setInterval(() => void flush(), COMMIT_EVERY_MS)
  return {
    ...log,
    consumer: (options) => {
      const consumer = log.consumer(options)
      consumers.set(options.group, consumer)
      return consumer
    },
    transactions: (options) => {
      const inner = log.transactions(options)
      return {
        fence: () => inner.fence(),
        close: () => inner.close(),
        commit: ({ records, moves }) =>
          inner.commit({
            records,
            moves: moves.map(({ group, cursors }) => ({
              group,
              cursors: (written) => {
                const late = pending.get(group) ?? new Map<string, Cursor>()
                for (const cursor of cursors(written)) late.set(partitionKey(cursor), cursor)
                pending.set(group, late)
                return []
              },
            })),
          }),
      }
    },
    close: async () => {
      clearInterval(timer)
      await flush()
      await log.close()
    },
  }
}
