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

const acts = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls `act` when `signal` aborts, unless the returned function was called before. Thousands a
 * second wait under one signal, and a listener for each costs more than their PDU: they share one.
 */
export function onAbort(signal: AbortSignal, act: () => void): () => void {
  const known = acts.get(signal)
  const waiting = known ?? new Set<() => void>()
  waiting.add(act)
  if (known === undefined) {
    acts.set(signal, waiting)
    signal.addEventListener('abort', () => waiting.forEach((each) => each()), { once: true })
  }
  return () => void waiting.delete(act)
}
