import { parseArgs } from 'node:util'
import { withStack } from '../../stack/with-stack.ts'
import { verify } from './run.ts'

/**
 * `npm run verify:eos -- [--minutes M] [--seed S] [--json] [--keep] [--mutate cursor-outside]`:
 * exactly-once on a real broker. Three members are killed, stopped and restarted while input flows;
 * then every output must equal what the committed input gives. Exit code 0 only if it does and no
 * transaction is left open. `--mutate` plants a defect that must be found.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    mutate: { type: 'string', default: 'none' },
  },
})

function number(name: string, given: string, least: number): number {
  const value = Number(given)
  if (!Number.isFinite(value) || value < least) throw new Error(`--${name} takes a number from ${least}`)
  return value
}

function mutation(given: string): 'none' | 'cursor-outside' {
  if (given === 'none' || given === 'cursor-outside') return given
  throw new Error(`--mutate takes cursor-outside, not ${given}`)
}

const options = {
  minutes: number('minutes', values.minutes, 0.1),
  seed: number('seed', values.seed, 0),
  mutate: mutation(values.mutate),
  keep: values.keep,
  say: (text: string): void => console.error(`[verify] ${text}`),
}

process.exitCode = await withStack(async (stack, abort) => {
  const report = await verify({ ...options, stack, abort })
  for (const difference of report.differences) options.say(`DIFFERENCE ${difference}`)
  console.log(values.json ? JSON.stringify(report) : JSON.stringify(report, null, 2))
  return report.equal && report.openTransactions === 0 ? 0 : 1
})
