import type { Logger } from './logger.ts'

/**
 * The life of a process. On SIGTERM, SIGINT or a fatal error everything that was opened is closed
 * in reverse order. Each step happens once and within a bound. Exit code 0 after a signal, 1 after
 * an error.
 */
export class Closers {
  readonly #steps: { readonly name: string; readonly close: () => Promise<void> | void }[] = []

  /**
   * Call right after opening; returns what was opened so that opening and registering are one
   * expression.
   */
  add<T>(name: string, opened: T, close: (opened: T) => Promise<void> | void): T {
    this.#steps.push({ name, close: () => close(opened) })
    return opened
  }

  async closeAll(logger: Logger, stepMsMax = STEP_MS_MAX): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await within(Promise.resolve(step.close()), stepMsMax)
      } catch (error) {
        logger.warn('process.close_failed', { operation: step.name, error })
      }
    }
  }
}

// Long enough for the gateway to wait for its open responses, 30 s [SD1].
const STEP_MS_MAX = 40_000

type Start = (closers: Closers, fail: (error: unknown) => void) => Promise<void>

/**
 * Runs `start`, stays until a signal or `fail`, closes everything, exits. The only caller of
 * process.exit.
 */
export async function runProcess(logger: Logger, start: Start): Promise<void> {
  const closers = new Closers()
  const exitCode = await firstEnd(logger, closers, start)
  await closers.closeAll(logger)
  logger.info('process.stopped')
  process.exit(exitCode)
}

/**
 * The first signal or error decides the exit code. The listeners stay for the later ones, which
 * must not cut the closing short: npm passes a signal on that a terminal has sent to the whole
 * group already, so two are the rule there.
 */
const firstEnd = (logger: Logger, closers: Closers, start: Start): Promise<0 | 1> =>
  new Promise((resolve) => {
    let ending = false
    const end = (exitCode: 0 | 1): void => {
      ending = true
      resolve(exitCode)
    }
    const fail = (error: unknown): void => {
      logger.error('process.failed', { error: error ?? new Error('failed without a reason') })
      end(1)
    }
    const started = (): void => {
      if (!ending) logger.info('process.started')
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        logger.info('process.stopping', { signal })
        end(0)
      })
    }
    process.on('uncaughtException', fail)
    process.on('unhandledRejection', fail)
    start(closers, fail).then(started, fail)
  })

export async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
