import { DEAD_LETTER_REASONS } from '../contracts/outbound.ts'
import type { Options } from './terminal.ts'

export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** With its offset: a time of day alone would be another one to whoever reads the audit. */
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})$/

/** The complaint about an option that cannot be meant. */
export function faultOf({ tenant, message, cause, since }: Options): string | undefined {
  if ([tenant, message].some((id) => id !== undefined && !UUID.test(id)))
    return '--tenant and --message must be ids.'
  if (cause !== undefined && DEAD_LETTER_REASONS.every((known) => known !== cause))
    return `--cause must be one of ${DEAD_LETTER_REASONS.join(', ')}.`
  const isInstant = since === undefined || (INSTANT.test(since) && !Number.isNaN(Date.parse(since)))
  return isInstant ? undefined : '--since must be an instant with its offset, as 2026-04-18T10:23:40Z.'
}
