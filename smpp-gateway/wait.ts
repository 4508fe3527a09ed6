const ABORTED = 'aborted'
export type Aborted = typeof ABORTED

/**
 * Resolves when `signal` aborts; `forget` takes the listener off a signal that outlives the
 * question.
 */
export const aborted = (signal: AbortSignal, forget: AbortSignal): Promise<Aborted> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve(ABORTED)
    signal.addEventListener('abort', () => resolve(ABORTED), { once: true, signal: forget })
  })

/**
 * Resolves when `work` does, at the latest after `timeoutMs`; which of the two does not matter to
 * the caller.
 */
export async function atMost(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}
