import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

if (process.env['KAFKA_BROKERS'] === undefined)
  throw new Error('KAFKA_BROKERS must name a broker: npm test starts one')

const Figures = z.object({
  keys: z.literal(2000),
  backlog: z.literal(1000),
  rssMbMax: z.number().positive(),
  rssMbAtStart: z.number().positive(),
  ceilingMb: z.number(),
  recordsPerSecond: z.number().positive(),
  ok: z.boolean(),
})

const script = join(dirname(fileURLToPath(import.meta.url)), 'memory.ts')

const bench = (...options: readonly string[]): Promise<{ code: number; figures: z.infer<typeof Figures> }> =>
  new Promise((resolve, reject) => {
    const size = ['--keys', '2000', '--backlog', '1000', '--partitions', '2', '--json']
    const child = execFile(
      process.execPath,
      ['--import', 'tsx', script, ...size, ...options],
      (_, stdout, stderr) => {
        const read = Figures.safeParse(JSON.parse(stdout.trim() === '' ? '{}' : stdout))
        if (read.success) resolve({ code: child.exitCode ?? -1, figures: read.data })
        else reject(new Error(`${read.error.message}\n${stderr}`))
      },
    )
  })

describe('npm run bench -- memory', () => {
  it('prints its figures in one line and ends with 0 below the ceiling', async () => {
    const { code, figures } = await bench()
    expect({ code, ok: figures.ok, ceilingMb: figures.ceilingMb }).toEqual({
      code: 0,
      ok: true,
      ceilingMb: 2048,
    })
    expect(figures.rssMbMax).toBeGreaterThanOrEqual(figures.rssMbAtStart)
  })

  it('ends with 1 above the ceiling', async () => {
    const { code, figures } = await bench('--ceiling-mb', '1')
    expect({ code, ok: figures.ok }).toEqual({ code: 1, ok: false })
  })
})
