import type { Logger } from '../../../platform/logger.ts'
import { internals } from './internals.ts'
import type { KafkaLogEntry, KafkaLogger } from './kafkajs-types.ts'

const WARN = 2

/**
 * kafkajs's warnings and errors as debug lines: the sentence and where it comes from, without what
 * it carries along. The caller deals with what went wrong and says so. kafkajs says it for every
 * attempt on every connection, hundreds of times a second while a broker is away. Answers with an
 * error code are left out: concurrent transactions come every day.
 */
export function kafkajsLogger(logger: Logger): KafkaLogger {
  const write = ({ namespace, log: { message } }: KafkaLogEntry): void => {
    if (message.startsWith('Response ')) return
    logger.debug('log.client', { operation: `kafkajs ${namespace}`, reason: message })
  }
  return internals().createLogger({ level: WARN, logCreator: () => write })
}
