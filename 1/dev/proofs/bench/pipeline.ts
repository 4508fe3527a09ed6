import { parseArgs } from 'node:util'
import { startPlatform } from '../../local/platform.ts'
import { withStack } from '../../stack/with-stack.ts'
import { percentiles } from '../demo/percentiles.ts'
import { appendsBetween, logSizes, type Appends } from './pipeline-appends.ts'
import { latenciesOf, operatorTimes, outcomeTimes } from './pipeline-latency.ts'
import { logFoldersOf } from './pipeline-log-folders.ts'
import { machineBetween } from './pipeline-machine.ts'
import { runLoad, type Load, type RunResult } from './pipeline-run.ts'
import { tableOf } from './pipeline-table.ts'

/**
 * `npm run bench -- pipeline [--rate 20 --seconds 60 | --messages 3000] [--json]`: the whole
 * platform as in the demo, warm, at a fixed rate or (`--rate full`, the default) as fast as it
 * goes. The last line is one JSON object; without `--json` a table of all appends by topic comes
 * before it. It needs Linux, and the broker on the same machine.
 *
 * Transactions and appends are those of the broker, from its own files, per message that the API
 * accepted in the interval. `platformBusyShare` and `cpuMsPerMessage` leave out what else runs on
 * the machine. Latencies are those of the messages of the interval.
 *
 * `--partitions 4`, `--commit-ms 100` and `--warm-up 500` (messages) change what is measured,
 * `--profiles DIR` leaves a CPU profile of every service.
 */
const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: 'full' },
    seconds: { type: 'string', default: '60' },
    messages: { type: 'string', default: '3000' },
    'warm-up': { type: 'string', default: '500' },
    partitions: { type: 'string', default: '4' },
    'commit-ms': { type: 'string', default: '100' },
    profiles: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})

function whole(name: keyof typeof values): number {
  const value = Number(values[name])
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a whole number from 1`)
  return value
}

const load: Load =
  values.rate === 'full'
    ? { perSecond: 'full', messages: whole('messages') }
    : { perSecond: whole('rate'), seconds: whole('seconds') }
const partitions = whole('partitions')
const commitMs = whole('commit-ms')
const warmUp = whole('warm-up')

const say = (line: string): void => console.error(`[bench] ${line}`)

process.exitCode = await withStack(async (stack, abort) => {
  const logFolders = await logFoldersOf(stack.kafkaBrokers.split(','))
  // Refuses at once what could not be counted at the end.
  logSizes(logFolders)
  const nodeOptions = values.profiles === '' ? [] : ['--cpu-prof', '--cpu-prof-dir', values.profiles]
  const platform = await startPlatform({ stack, abort, say, partitions, commitMs, nodeOptions })
  try {
    say('sending ...')
    const result = await runLoad(platform, { load, warmUp, logFolders, abort })
    const appends = appendsBetween(result.before.log, result.after.log)
    if (!values.json) console.log(tableOf(appends, result.traffic.accepted.length))
    const latencies = latenciesOf(
      result.traffic.accepted,
      operatorTimes(platform),
      await outcomeTimes(platform),
    )
    console.log(JSON.stringify(summary(result, appends, latencies)))
    return 0
  } finally {
    await platform.close()
  }
})

function summary(
  { traffic, before, after }: RunResult,
  appends: Appends,
  latencies: ReturnType<typeof latenciesOf>,
) {
  const messages = traffic.accepted.length
  const machine = machineBetween(before.machine, after.machine)
  const topics = [...appends.byTopic.values()]
  const total = (of: (topic: (typeof topics)[number]) => number): number =>
    topics.reduce((sum, topic) => sum + of(topic), 0)
  const transactions = [...appends.transactions.values()].reduce((sum, count) => sum + count, 0)
  const cpuMs = [...machine.cpuMs].toSorted(([, a], [, b]) => b - a)
  return {
    name: 'pipeline',
    rate: load.perSecond,
    partitions,
    commitMs,
    messages,
    elapsedMs: Math.round(machine.elapsedMs),
    transactionsPerSecond: rounded((transactions * 1000) / machine.elapsedMs),
    appendsPerMessage: rounded(total(({ batches, markers }) => batches + markers) / messages),
    dataBatchesPerMessage: rounded(total(({ batches }) => batches) / messages),
    markersPerMessage: rounded(total(({ markers }) => markers) / messages),
    machineBusyShare: rounded(machine.machineBusyShare),
    platformBusyShare: rounded(machine.platformBusyShare),
    cpuMsPerMessage: Object.fromEntries(cpuMs.map(([name, ms]) => [name, rounded(ms / messages)])),
    acceptToSubmitMs: percentiles(latencies.acceptToSubmit),
    receiptToOutcomeMs: percentiles(latencies.receiptToOutcome),
    messagesPerSecond: rounded((messages * 1000) / (latencies.lastOutcomeMs - traffic.startedMs)),
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
