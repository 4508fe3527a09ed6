import { LogError } from '../../port.ts'
import { remedyFor } from './broker-error.ts'

/**
 * The port's error for a fault after which nothing has happened. What came neither from a broker
 * nor from the way to it is the caller's own error, or already the port's, and stays what it is.
 */
export function outcomeOf(error: unknown): unknown {
  const remedy = remedyFor(error)
  if (remedy === undefined || !(error instanceof Error)) return error
  if (remedy === 'fenced') return new LogError('fenced', error.message, error)
  return new LogError(remedy === 'refused' ? 'fatal' : 'retriable', error.message, error)
}

/** The port's error for a fault after which something may have happened. */
export function unknownUnlessFenced(error: unknown): LogError {
  const message = error instanceof Error ? error.message : String(error)
  return new LogError(remedyFor(error) === 'fenced' ? 'fenced' : 'unknown', message, error)
}
