import { z } from 'zod'

/** How long a receipt may take from the submission on that it can still be joined with it [K8]. */
export const CORRELATION_HOURS = 168
/** Stores hold a row for every segment of so long a time. */
const CORRELATION_HOURS_MAX = 720

/**
 * Read by the topologies, which join receipts, and by the sinks, which show when that ends: both
 * must be given the same.
 */
export const correlationEnv = {
  CORRELATION_HOURS: z.coerce.number().int().min(1).max(CORRELATION_HOURS_MAX).default(CORRELATION_HOURS),
}
