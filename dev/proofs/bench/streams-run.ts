import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { YOUNG_SPACE } from '../../local/service.ts'
import type { LogClient } from '../../../streams/log/port.ts'
import { fillInput, fillState, provision, remove, type Place } from './streams-fill.ts'
import { feed, readAges } from './streams-latency.ts'
import { jobOf, type JobName } from './streams-jobs.ts'

/**
 * One job in one setting: restore, then a backlog for throughput, then a given rate for latency.
 */
export interface Case {
  readonly job: JobName
  readonly partitions: number
  /** Rows that the state has before the first record. */
  readonly keys: number
}

export interface Effort {
  readonly records: number
  readonly warmUp: number
  readonly latencySeconds: number
  /** Records; 0: half of what the job can do. */
  readonly latencyPerSecond: number
  /** Commit interval: Kafka Streams' default under exactly_once_v2. */
  readonly commitMs: number
  /** Where to leave a CPU profile of every member; '' for none. */
  readonly profiles: string
}

const Spent = z.object({ perSecond: z.number(), cpuMicros: z.number() })
const Done = z.object({
  kind: z.literal('done'),
  restored: z.number(),
  restore: Spent,
  run: Spent,
  commitMs: z.array(z.number()),
  rssMb: z.number(),
})
type Done = z.infer<typeof Done>
const Told = z.discriminatedUnion('kind', [z.object({ kind: z.literal('running') }), Done])

export interface CaseFigures extends Case {
  readonly perSecond: number
  /**
   * User and system time of the process, all its threads: what one core would do is a million over
   * this.
   */
  readonly cpuMicrosPerRecord: number
  readonly perCpuSecond: number
  readonly commitMs: Quantiles
  readonly rssMb: number
  readonly restore?: {
    readonly perSecond: number
    readonly cpuMicrosPerRecord: number
    readonly rssMb: number
  }
  readonly atHalfLoad: {
    readonly perSecond: number
    readonly endToEndMs: Quantiles
    readonly commitMs: Quantiles
  }
}

interface Quantiles {
  readonly p50: number
  readonly p99: number
}

export async function runCase(
  log: LogClient,
  name: string,
  given: Case,
  effort: Effort,
): Promise<CaseFigures> {
  const place: Place = { log, job: jobOf(given.job, name), partitions: given.partitions }
  const directory = await mkdtemp(join(tmpdir(), 'bench-streams-'))
  const start: Start = (records, warmUp) =>
    startMember({ ...given, name, directory, ...effort, records, warmUp })
  try {
    await provision(place)
    const restored = await restore(place, given.keys, start)
    await fillInput(place, effort.warmUp + effort.records, given.keys)
    const full = await start(effort.warmUp + effort.records, effort.warmUp).done
    const half = effort.latencyPerSecond || Math.round(full.run.perSecond / 2)
    const { ages, done } = await endToEnd(place, start, half, effort.latencySeconds)
    return {
      ...given,
      perSecond: full.run.perSecond,
      cpuMicrosPerRecord: full.run.cpuMicros,
      perCpuSecond: Math.round(1e6 / full.run.cpuMicros),
      commitMs: quantiles(full.commitMs),
      rssMb: full.rssMb,
      ...restored,
      atHalfLoad: {
        perSecond: half,
        endToEndMs: quantiles(ages),
        commitMs: quantiles(done.commitMs),
      },
    }
  } finally {
    await remove(place)
    await rm(directory, { recursive: true, force: true })
  }
}

/** A member that ends by itself after `records`, of which the first do not count. */
type Start = (records: number, warmUp: number) => Member

/** A member of its own brings the rows into the store that the next one opens. */
async function restore(place: Place, keys: number, start: Start): Promise<Pick<CaseFigures, 'restore'>> {
  if (keys === 0 || place.job.kept === undefined) return {}
  await fillState(place, keys)
  const member = start(Number.MAX_SAFE_INTEGER, 0)
  await member.running
  const { restored, restore: spent, rssMb } = await member.stop()
  if (restored !== keys) throw new Error(`${restored} of ${keys} rows were restored`)
  return { restore: { perSecond: spent.perSecond, cpuMicrosPerRecord: spent.cpuMicros, rssMb } }
}

interface Member {
  readonly running: Promise<void>
  readonly done: Promise<Done>
  stop(): Promise<Done>
}

type MemberOptions = Case & Effort & { readonly name: string; readonly directory: string }

function startMember(options: MemberOptions): Member {
  const { job, name, partitions, directory, commitMs, warmUp, records, profiles } = options
  const given = { job, name, partitions, directory, commitMs, warmUp, records }
  const profiling = profiles === '' ? [] : ['--cpu-prof', '--cpu-prof-dir', profiles]
  const child = fork(
    fileURLToPath(new URL('streams-member.ts', import.meta.url)),
    Object.entries(given).map(([option, value]) => `--${option}=${value}`),
    { execArgv: [YOUNG_SPACE, '--import', 'tsx', ...profiling] },
  )
  const running = told(child, 'running').then(() => undefined)
  const done = told(child, 'done').then(async (figures) => {
    if (child.exitCode === null) await once(child, 'exit')
    return Done.parse(figures)
  })
  return {
    running,
    done,
    stop: () => {
      child.send('stop')
      return done
    },
  }
}

/** The first message of a kind; a member that ends without it has said why on stderr. */
function told(child: ChildProcess, kind: 'running' | 'done'): Promise<z.infer<typeof Told>> {
  return new Promise((resolve, reject) => {
    child.on('message', (message) => {
      const read = Told.parse(message)
      if (read.kind === kind) resolve(read)
    })
    child.on('exit', (code) => reject(new Error(`a member ended with ${code} before it was ${kind}`)))
  })
}

/**
 * Ages of outputs at a read_committed reader while the job is fed at `perSecond`, after a second of
 * warming up; ms.
 */
async function endToEnd(
  place: Place,
  start: Start,
  perSecond: number,
  seconds: number,
): Promise<{ ages: readonly number[]; done: Done }> {
  const { segments } = place.job
  const outputs = Math.floor((perSecond * (1 + seconds)) / segments)
  const member = start(Number.MAX_SAFE_INTEGER, perSecond)
  await member.running
  const reading = await readAges(place, outputs)
  await feed(place, outputs * segments, perSecond)
  const ages = await reading.ages
  return { ages: ages.slice(Math.ceil(perSecond / segments)), done: await member.stop() }
}

function quantiles(samples: readonly number[]): Quantiles {
  const sorted = samples.toSorted((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
  return { p50: at(0.5), p99: at(0.99) }
}
