import type { Log } from '../../platform/log.ts'
import { internals } from './internals.ts'
import type { KafkaLogEntry, KafkaLogger } from './internals.ts'

const WARN = 2

/**
 * kafkajs's warnings and errors as our warnings: the sentence and where it comes from, without what it carries along. Lines about answers
 * with an error code are left out, because whoever asked deals with it (K6: concurrent transactions are everyday).
 */
export function kafkajsLogger(log: Log): KafkaLogger {
  const write = ({ namespace, log: { message } }: KafkaLogEntry): void => {
    if (message.startsWith('Response ')) return
    // Never an error: whoever asked hears of it, tries again, and says so when it gives up.
    log.warn('log.client', { operation: `kafkajs ${namespace}`, reason: message })
  }
  return internals().createLogger({ level: WARN, logCreator: () => write })
}
