import { parseArgs } from 'node:util'
import { MUTANTS } from './mutants.ts'
import { runSeed, type RunResult } from './run.ts'

/**
 * `npm run sim -- --seeds N [--seed S] [--mutations [--only NAME]] [--json]`: runs N seeds from S
 * on (default: 200 from 1), and with `--mutations` shows that each planted defect is found. A
 * failing seed prints what it violates and how to run it again, alone with its last steps. Exit
 * code 1 when an invariant is violated or a mutant survives.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    lines: { type: 'string', default: '60' },
    mutations: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
})

const MUTANT_SEEDS_MAX = 600
const TOLD_MAX = 5

const first = numberOf('seed', values.seed ?? '1')
const seeds = numberOf('seeds', values.seeds ?? (values.seed === undefined ? '200' : '1'))
const lines = numberOf('lines', values.lines)

function numberOf(option: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0)
    throw new Error(`--${option} must be a whole number, not ${text}`)
  return number
}

await (values.mutations ? hunt() : search())

async function search(): Promise<void> {
  const startedMs = performance.now()
  const faultsInjected: Record<string, number> = {}
  let violations = 0
  let messages = 0
  let steps = 0
  let run = 0
  for (let seed = first; seed < first + seeds; seed += 1) {
    const result = await runSeed(seed)
    run += 1
    messages += result.messages
    steps += result.steps
    for (const [kind, count] of result.faults) faultsInjected[kind] = (faultsInjected[kind] ?? 0) + count
    if (result.violations.length > 0 || seeds === 1) tell(result)
    if (result.violations.length > 0) violations += 1
    if (violations > TOLD_MAX) break
  }
  const elapsedMs = Math.round(performance.now() - startedMs)
  report({ seeds: run, violations, faultsInjected, messages, steps, elapsedMs })
  if (violations > 0) process.exitCode = 1
}

function tell({ seed, hash, steps, violations, recent }: RunResult): void {
  const told = recent.slice(-lines)
  if (violations.length === 0)
    return console.log(`seed ${seed}: nothing violated, ${steps} steps, history ${hash}`)
  console.log(told.map((line) => `  ${line}`).join('\n'))
  console.log(`seed ${seed} violates:\n${violations.map((text) => `- ${text}`).join('\n')}`)
  console.log(`Run it again: npm run sim -- --seed ${seed} --lines 1000   (history ${hash})`)
}

async function hunt(): Promise<void> {
  const startedMs = performance.now()
  const survivors: string[] = []
  const caught: Record<string, { seed: number; seeds: number; by: string }> = {}
  for (const [name, plant] of Object.entries(MUTANTS)) {
    if (!name.includes(values.only)) continue
    const found = await firstViolation(plant, values.seeds === undefined ? MUTANT_SEEDS_MAX : seeds)
    if (found === null) survivors.push(name)
    else caught[name] = { seed: found.seed, seeds: found.seed - first + 1, by: headline(found) }
    console.log(
      found === null ? `${name} SURVIVES` : `${name} is caught by seed ${found.seed}: ${headline(found)}`,
    )
  }
  const elapsedMs = Math.round(performance.now() - startedMs)
  report({ mutants: Object.keys(MUTANTS).length, survivors, caught, elapsedMs })
  if (survivors.length > 0) process.exitCode = 1
}

function headline({ violations: [text = ''] }: RunResult): string {
  return text.split('\n')[0]?.slice(0, 160) ?? ''
}

async function firstViolation(plant: (typeof MUTANTS)[string], seedsMax: number): Promise<RunResult | null> {
  for (let seed = first; seed < first + seedsMax; seed += 1) {
    const result = await runSeed(seed, { plant: plant() })
    if (result.violations.length > 0) return result
  }
  return null
}

function report(figures: object): void {
  console.log(values.json ? JSON.stringify(figures) : figures)
}
