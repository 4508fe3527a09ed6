import { parseArgs } from 'node:util'
import { startPlatform } from '../../local/platform.ts'
import { KILLABLE, type ServiceName } from '../../local/services.ts'
import { withStack } from '../../stack/with-stack.ts'
import { runDemo } from './run.ts'

/**
 * `npm run demo -- [--messages N] [--seed S] [--kill topologies,bridges,…] [--json] [--keep]`: the
 * whole path on real parts. Exit code 0 only if every invariant holds; with --json the last line is
 * the report.
 */
const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    kill: { type: 'string', default: '' },
    partitions: { type: 'string', default: '4' },
    'commit-ms': { type: 'string', default: '100' },
    'in-flight': { type: 'string', default: '32' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})

function victims(given: string): readonly ServiceName[] {
  const names = given.split(',').filter((name) => name !== '')
  return names.map((name) => {
    const found = KILLABLE.find((candidate) => candidate === name)
    if (found === undefined) throw new Error(`--kill takes ${KILLABLE.join(', ')}, not ${name}`)
    return found
  })
}

function whole(name: string, given: string): number {
  const value = Number(given)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a whole number from 1`)
  return value
}

const say = (text: string): void => console.error(`[demo] ${text}`)
const kill = victims(values.kill)

process.exitCode = await withStack(async (stack, abort) => {
  const platform = await startPlatform({
    stack,
    abort,
    say,
    partitions: whole('partitions', values.partitions),
    commitMs: whole('commit-ms', values['commit-ms']),
    keep: values.keep,
  })
  try {
    const report = await runDemo(platform, {
      messages: whole('messages', values.messages),
      seed: whole('seed', values.seed),
      inFlight: whole('in-flight', values['in-flight']),
      kill,
      abort,
      table: true,
    })
    for (const violation of report.violations) say(`VIOLATION ${violation}`)
    console.log(values.json ? JSON.stringify(report) : JSON.stringify(report, null, 2))
    return report.violations.length === 0 ? 0 : 1
  } finally {
    await platform.close()
  }
})
