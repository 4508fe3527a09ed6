import { constants } from 'node:os'
import { type Stack, startStack } from './stack.ts'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Brings the stack up for `body`; see `whileUp`. */
export const withStack = async (
  body: (stack: Stack, abort: AbortSignal) => Promise<number>,
): Promise<number> => whileUp(async (abort) => startStack({ abort }), body)

/**
 * Starts servers, runs `body`, and takes them down however that ends. The first SIGINT,
 * SIGTERM or SIGHUP aborts, during the start as well; later ones are ignored, because the stop is
 * bounded and a cut-off one would leave servers behind. Resolves to the exit code: the body's, 128
 * + number after a signal, 1 when the stack could not be started.
 */
export const whileUp = async <Up extends { stop(): Promise<void> }>(
  start: (abort: AbortSignal) => Promise<Up>,
  body: (up: Up, abort: AbortSignal) => Promise<number>,
): Promise<number> => {
  const abort = new AbortController()
  let received: (typeof signals)[number] | undefined
  const onSignal = (signal: (typeof signals)[number]): void => {
    received ??= signal
    abort.abort(new Error(`stopped by ${signal}`))
  }
  for (const signal of signals) process.on(signal, onSignal)
  const codeOf = (code: number): number => (received === undefined ? code : 128 + constants.signals[received])
  try {
    const up = await start(abort.signal)
    try {
      return codeOf(await body(up, abort.signal))
    } finally {
      await up.stop()
    }
  } catch (error) {
    if (received === undefined)
      console.error(`[stack] ${error instanceof Error ? error.message : String(error)}`)
    return codeOf(1)
  } finally {
    for (const signal of signals) process.removeListener(signal, onSignal)
  }
}
