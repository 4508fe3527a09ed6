import { pino } from 'pino'
import { createLogger } from '../logger.ts'
import { runProcess, type Closers } from '../process.ts'

/**
 * A process with two things open, for process.test.ts to end in the way that its argument names.
 */
// Written at once: of lines that wait, the exit may let the last overtake the first.
const destination = pino.destination({ dest: 1, sync: true })
const logger = createLogger({ service: 'fixture', level: 'debug', destination })

function open(closers: Closers): void {
  const ticking = setInterval(() => {}, 1000)
  closers.add('ticking', ticking, (timer) => {
    clearInterval(timer)
    logger.info('closed', { operation: 'ticking' })
  })
  closers.add('answer', undefined, async () => {
    if (process.argv[2] === 'wait') await answer()
    logger.info('closed', { operation: 'answer' })
  })
}

/** The close takes until somebody writes a line: the test decides how long. */
const answer = (): Promise<void> =>
  new Promise((resolve) => {
    process.stdin.once('data', () => {
      process.stdin.destroy()
      resolve()
    })
  })

await runProcess(logger, async (closers, fail) => {
  open(closers)
  await Promise.resolve()
  const way = process.argv[2]
  if (way === 'start-fails') throw new Error('cannot reach +447700900123')
  if (way === 'rejection') void Promise.reject(new Error('nobody waits for this'))
  if (way === 'empty-rejection') void Promise.reject()
  if (way === 'throw') setImmediate(() => thrown())
  if (way === 'fail') fail(new Error('the consumer is gone'))
})

function thrown(): never {
  throw new Error('nobody catches this')
}
