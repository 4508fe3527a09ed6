import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Logger, type LogFields, silentLogger } from './logger.ts'
import { Closers, within } from './process.ts'

const never = (): Promise<never> => new Promise(() => {})

describe('what was opened', () => {
  it('is closed in reverse order, one after the other', async () => {
    const closers = new Closers()
    const order: string[] = []
    closers.add('first', 1, () => void order.push('first'))
    closers.add('second', 2, async () => {
      order.push('second begins')
      await Promise.resolve()
      order.push('second ends')
    })
    closers.add('third', 3, () => void order.push('third'))
    await closers.closeAll(silentLogger)
    expect(order).toEqual(['third', 'second begins', 'second ends', 'first'])
  })

  it('is handed back by add, and to its own close', async () => {
    const closers = new Closers()
    const closed: unknown[] = []
    const opened = closers.add('server', { port: 1 }, (server) => void closed.push(server))
    expect(opened).toEqual({ port: 1 })
    await closers.closeAll(silentLogger)
    expect(closed).toEqual([opened])
  })

  it('is closed once', async () => {
    const closers = new Closers()
    let times = 0
    closers.add('server', undefined, () => void (times += 1))
    await Promise.all([closers.closeAll(silentLogger), closers.closeAll(silentLogger)])
    expect(times).toBe(1)
  })

  it('is closed although another close failed, and the failure is named', async () => {
    const closers = new Closers()
    const closed: string[] = []
    closers.add('last', undefined, () => void closed.push('last'))
    closers.add('throws', undefined, () => {
      throw new Error('no')
    })
    closers.add('rejects', undefined, () => Promise.reject(new Error('no')))
    const warned: LogFields[] = []
    const logger: Logger = { ...silentLogger, warn: (_, fields) => void warned.push(fields ?? {}) }
    await closers.closeAll(logger)
    expect(closed).toEqual(['last'])
    expect(warned.map((fields) => fields.operation)).toEqual(['rejects', 'throws'])
  })

  it('is not waited for beyond a bound', async () => {
    const closers = new Closers()
    const closed: string[] = []
    closers.add('last', undefined, () => void closed.push('last'))
    closers.add('hangs', undefined, never)
    await closers.closeAll(silentLogger, 1)
    expect(closed).toEqual(['last'])
  })

  it('while closing is closed as well', async () => {
    const closers = new Closers()
    const closed: string[] = []
    closers.add('first', undefined, () => {
      closers.add('late', undefined, () => void closed.push('late'))
    })
    await closers.closeAll(silentLogger)
    expect(closed).toEqual(['late'])
  })
})

describe('work within a time', () => {
  it('gives its result or its own error', async () => {
    await expect(within(Promise.resolve(7), 60_000)).resolves.toBe(7)
    await expect(within(Promise.reject(new Error('own')), 60_000)).rejects.toThrow('own')
  })

  it('is given up with the bound in the text', async () => {
    await expect(within(never(), 1)).rejects.toThrow('not done within 1 ms')
  })
})

const Line = z.object({
  event: z.string(),
  operation: z.string().optional(),
  error: z.object({ type: z.string(), message: z.string() }).optional(),
})
type Line = z.infer<typeof Line>

interface Run {
  readonly process: ChildProcess
  readonly lines: Line[]
  /** Resolves once `event` was written `times` times. */
  saw(event: string, times?: number): Promise<void>
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

const fixture = join(fileURLToPath(import.meta.url), '..', 'testing', 'process.fixture.ts')
const running: ChildProcess[] = []

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})

function run(way: string): Run {
  const child = spawn(process.execPath, ['--import', 'tsx', fixture, way], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  running.push(child)
  const lines: Line[] = []
  const watchers = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(Line.parse(JSON.parse(text)))
    for (const look of watchers) look()
  })
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  const saw = (event: string, times = 1): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = () => {
        if (lines.filter((line) => line.event === event).length >= times) resolve()
      }
      watchers.add(look)
      look()
      void ended.then(() => reject(new Error(`ended before ${event}: ${JSON.stringify(lines)}`)))
    })
  return { process: child, lines, saw, ended }
}

const eventsOf = ({ lines }: Run): string[] =>
  lines.map(({ event, operation }) => (operation === undefined ? event : `${event} ${operation}`))

const CLOSED = ['closed answer', 'closed ticking', 'process.stopped']

// A child compiles its sources first, which takes seconds on a busy machine.
describe('a process', { timeout: 60_000 }, () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 after %s, everything closed', async (signal) => {
    const ran = run('stay')
    await ran.saw('process.started')
    ran.process.kill(signal)
    expect(await ran.ended).toEqual({ code: 0, signal: null })
    expect(eventsOf(ran)).toEqual(['process.started', 'process.stopping', ...CLOSED])
  })

  it('is not cut short by a second signal while it closes', async () => {
    const ran = run('wait')
    await ran.saw('process.started')
    ran.process.kill('SIGINT')
    await ran.saw('process.stopping')
    ran.process.kill('SIGINT')
    await ran.saw('process.stopping', 2)
    ran.process.stdin?.end('\n')
    expect(await ran.ended).toEqual({ code: 0, signal: null })
    expect(eventsOf(ran).slice(-3)).toEqual(CLOSED)
  })

  it('ends with 1 when its start fails, after closing what it had opened; the text is masked', async () => {
    const ran = run('start-fails')
    expect(await ran.ended).toEqual({ code: 1, signal: null })
    expect(eventsOf(ran)).toEqual(['process.failed', ...CLOSED])
    expect(ran.lines[0]?.error).toEqual({ type: 'Error', message: 'cannot reach [masked]' })
  })

  it.each([
    ['an unhandled rejection', 'rejection', 'nobody waits for this'],
    ['a rejection without a reason', 'empty-rejection', 'failed without a reason'],
    ['an uncaught error', 'throw', 'nobody catches this'],
    ['a failure that a part reports', 'fail', 'the consumer is gone'],
  ])('ends with 1 after %s, everything closed', async (_, way, message) => {
    const ran = run(way)
    expect(await ran.ended).toEqual({ code: 1, signal: null })
    expect(ran.lines.find(({ event }) => event === 'process.failed')?.error?.message).toBe(message)
    expect(eventsOf(ran).slice(-3)).toEqual(CLOSED)
  })
})
