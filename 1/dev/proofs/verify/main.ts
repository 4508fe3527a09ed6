import { parseArgs } from 'node:util'
import { whileUp } from '../../stack/with-stack.ts'
import { openGround } from './ground.ts'
import { verify } from './run.ts'

/**
 * `npm run verify:eos -- [--minutes M] [--seed S] [--json] [--keep] [--mutate cursor-outside]
 * [--brokers 3] [--proxy] [--cuts N]`: exactly-once on a real broker. Three members are killed,
 * stopped and restarted while input flows; then every output must equal what the committed input
 * gives. Exit code 0 only if it does, no transaction is left open and no member has ended by
 * itself. `--mutate` plants a defect that must be found.
 *
 * `--brokers 3` takes brokers away, one at a time; `--proxy` breaks the network between members and
 * brokers. `--proxy --cuts N` does nothing else than to cut each connection N times.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    mutate: { type: 'string', default: 'none' },
    brokers: { type: 'string', default: '1' },
    proxy: { type: 'boolean', default: false },
    cuts: { type: 'string' },
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
  proxy: values.proxy,
  cuts: values.cuts === undefined ? undefined : number('cuts', values.cuts, 1),
  say: (text: string): void => console.error(`[verify] ${text}`),
}
if (options.cuts !== undefined && !options.proxy) throw new Error('--cuts needs --proxy')
const wanted = { brokers: number('brokers', values.brokers, 1), proxy: values.proxy }

process.exitCode = await whileUp(
  (abort) => openGround(wanted, abort),
  async (ground, abort) => {
    const report = await verify({ ...options, ground, abort })
    for (const difference of report.differences) options.say(`DIFFERENCE ${difference}`)
    console.log(values.json ? JSON.stringify(report) : JSON.stringify(report, null, 2))
    return report.equal && report.openTransactions === 0 && report.endedAlone === 0 ? 0 : 1
  },
)
