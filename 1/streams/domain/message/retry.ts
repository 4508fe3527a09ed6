/** The wait before the first, second and third retry, counted from the failure [RT1]. */
export const RETRY_DELAYS_MS = [1000, 2000, 4000] as const
export const RETRIES_MAX = 3

/**
 * @throws RangeError for an attempt other than 1, 2 or 3: the caller should have gone to
 *   DEAD_LETTER [T8].
 */
export function retryDelayMs(attempt: number): number {
  const delayMs = RETRY_DELAYS_MS[attempt - 1]
  if (delayMs === undefined) throw new RangeError(`attempt ${attempt} is not in 1..${RETRIES_MAX}`)
  return delayMs
}
