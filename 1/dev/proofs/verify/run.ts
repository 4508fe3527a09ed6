import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectKafka } from '../../../streams/log/kafka.ts'
import type { LogClient } from '../../../streams/log/port.ts'
import { Service } from '../../local/service.ts'
import { Dice } from '../sim/dice.ts'
import { guard } from '../../stack/cluster/guard.ts'
import { clearRun } from '../../stack/leftovers.ts'
import { freePort } from '../../stack/ports.ts'
import { createRunFolder, stackRoot, type RunFolder } from '../../stack/run-folder.ts'
import { cutAll, troubleNetwork, type Cuts, type HopTroubles } from '../../stack/proxy/troubles.ts'
import { noBrokerTroubles, troubleBrokers, type BrokerTroubles } from './broker-nemesis.ts'
import { endsOf, heldPartitions, lagOf, readCommitted } from './committed.ts'
import { writeGhosts, writeInput } from './input.ts'
import { noTroubles, revive, trouble, type Troubles } from './nemesis.ts'
import type { Ground } from './ground.ts'
import { differences } from './recompute.ts'
import { provision, sceneOf, writtenBy, type Scene } from './scene.ts'

export interface VerifyOptions {
  readonly ground: Ground
  /** Troubles in the network between members and brokers; needs a ground with a proxy. */
  readonly proxy: boolean
  /**
   * Instead of all other troubles: in so many rounds every connection of the members is cut once.
   * Undefined: none.
   */
  readonly cuts: number | undefined
  readonly abort: AbortSignal
  readonly minutes: number
  readonly seed: number
  readonly mutate: 'none' | 'cursor-outside'
  readonly keep: boolean
  readonly say: (line: string) => void
}

export interface VerifyReport {
  readonly equal: boolean
  /** Partitions of outputs and changelogs that a transaction which nobody has ended holds back. */
  readonly openTransactions: number
  /** Committed input records. */
  readonly records: number
  readonly kills: number
  readonly stops: number
  readonly rebalances: number
  readonly seconds: number
  readonly restarts: number
  readonly endedAlone: number
  /** Cursors that a group refused, because their member's generation was over. */
  readonly outdated: number
  /** Records written to the inputs in transactions that were aborted. */
  readonly ghosts: number
  readonly outputs: number
  readonly differences: readonly string[]
  readonly seed: number
  readonly brokers: number
  readonly brokerStops: number
  readonly brokerCrashes: number
  readonly brokerFreezes: number
  /** Rounds of cuts and ended connections. */
  readonly cuts: Cuts
  /** What the network did: by kind, whole hops, and by kind and request. */
  readonly network: Readonly<Record<string, number>>
}

const MEMBERS = 3
const PARTITIONS = 4
const PER_SECOND = 200
const DRAIN_MS_MAX = 180_000
const LOOK_MS = 1000
/** Longer than the timers of the scene: then everything armed has fired. */
const QUIET_LOOKS = 6
const DIFFERENCES_SHOWN_MAX = 20

interface Given extends VerifyOptions {
  readonly log: LogClient
  readonly brokers: readonly string[]
  readonly scene: Scene
  readonly name: string
  readonly run: RunFolder
}

/**
 * One run: input and troubles for some minutes, then quiet, then the judgement of what the broker
 * holds.
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const { brokers, replicas } = options.ground
  const log = connectKafka({ brokers, clientId: 'verify' })
  const name = `verify-${randomUUID().slice(0, 8)}`
  const run = createRunFolder(stackRoot)
  // Kept logs would be cleared with the rest.
  const release = options.keep ? undefined : guard(run)
  const given: Given = { ...options, log, brokers, name, scene: sceneOf(name), run }
  const members: Service[] = []
  try {
    await provision(log, given.scene, PARTITIONS, replicas)
    for (let n = 1; n <= MEMBERS; n += 1) members.push(await member(given, `member-${n}`))
    await Promise.all(members.map((one) => one.start()))
    return await judged(given, members)
  } finally {
    await Promise.all(members.map((one) => one.stop()))
    await log.close()
    if (!options.keep) await clearRun(run)
    await release?.()
  }
}

async function member(given: Given, name: string): Promise<Service> {
  const port = await freePort()
  const env = {
    KAFKA_BROKERS: given.ground.forMembers.join(','),
    PORT: String(port),
    STATE_DIR: join(given.run.path, name),
    SCENE: given.name,
    MUTATE: given.mutate,
  }
  const ready = { url: `http://127.0.0.1:${port}/health/ready` }
  const spec = { name, script: 'dev/proofs/verify/member.ts', env, ready }
  return new Service(spec, given.run, dirname(stackRoot), given.abort)
}

async function judged(given: Given, members: readonly Service[]): Promise<VerifyReport> {
  const startedMs = Date.now()
  const troubles = { ...noTroubles(), ...noBrokerTroubles(), refusals: 0, freezes: 0 }
  const { ghosts, cuts } = await troubled(given, members, troubles)
  given.say('faults and input have stopped; waiting for the backlog ...')
  for (const one of members) await revive(one, troubles)
  const drained = await drain(given)
  // Also who has died while nothing was done to anybody.
  for (const one of members) await revive(one, troubles)
  const { log, brokers, scene } = given
  const held = await heldPartitions(log, brokers, writtenBy(scene), PARTITIONS)
  for (const partition of held) given.say(`open transaction on ${partition}`)
  await Promise.all(members.map((one) => one.stop()))
  const committed = await readCommitted(log, scene, PARTITIONS)
  const found = [...drained, ...differences(committed)]
  const { left, right, echoes, totals, spans, alarms } = committed
  const seen = sightings(members)
  const { refusals, freezes, ...counted } = troubles
  return {
    equal: found.length === 0,
    openTransactions: held.length,
    records: left.length + right.length,
    ...counted,
    rebalances: seen.generations - given.scene.topologies.length,
    seconds: Math.round((Date.now() - startedMs) / 1000),
    outdated: seen.outdated,
    ghosts,
    outputs: echoes.length + totals.length + spans.length + alarms.length,
    differences: found.slice(0, DIFFERENCES_SHOWN_MAX),
    seed: given.seed,
    brokers: brokers.length,
    cuts,
    network: { refusals, freezes, ...given.ground.cluster?.proxy.counters.acts },
  }
}

type AllTroubles = Troubles & BrokerTroubles & HopTroubles

interface Works {
  /** How many records were written and aborted. */
  readonly ghosts: number
  readonly cuts: Cuts
}

async function troubled(given: Given, members: readonly Service[], troubles: AllTroubles): Promise<Works> {
  const { log, brokers, scene, seed } = given
  const ended = new AbortController()
  const timer = setTimeout(() => ended.abort(), given.minutes * 60_000)
  const until = AbortSignal.any([given.abort, ended.signal])
  const input = { log, brokers, scene, partitions: PARTITIONS, perSecond: PER_SECOND, until }
  const ghosts = writeGhosts({ ...input, dice: new Dice(seed, 'ghosts') })
  const cuts = given.cuts === undefined ? Promise.resolve(NO_CUTS) : cutting(given, given.cuts, until)
  const troubling = given.cuts === undefined ? allTroubles(given, members, troubles, until) : []
  const works = [ghosts, cuts, writeInput({ ...input, dice: new Dice(seed, 'input') }), ...troubling]
  // All must have ended before members are stopped, or one would be started again behind our back.
  for (const work of works) work.catch(() => ended.abort())
  const failed = (await Promise.allSettled<unknown>(works)).find(({ status }) => status === 'rejected')
  clearTimeout(timer)
  given.abort.throwIfAborted()
  if (failed?.status === 'rejected') throw failed.reason
  return { ghosts: await ghosts, cuts: await cuts }
}

const NO_CUTS: Cuts = { rounds: 0, cuts: 0, idle: 0 }

async function cutting(given: Given, rounds: number, until: AbortSignal): Promise<Cuts> {
  const { ground, minutes, seed } = given
  if (ground.cluster === undefined) throw new Error('cuts need a proxy')
  const options = { rounds, everyMs: (minutes * 60_000) / rounds, dice: new Dice(seed, 'cuts'), until }
  const done = await cutAll(ground.cluster.proxy, options)
  await ground.cluster.proxy.mend()
  return done
}

/** Whoever can be troubled is troubled by dice of its own. */
function allTroubles(
  given: Given,
  members: readonly Service[],
  troubles: AllTroubles,
  until: AbortSignal,
): Promise<void>[] {
  const { ground, seed, say, proxy } = given
  const { cluster } = ground
  const ofMembers = members.map((one) => trouble(one, new Dice(seed, one.spec.name), troubles, until, say))
  if (cluster === undefined) return ofMembers
  const network = proxy ? [troubleNetwork(cluster.proxy, new Dice(seed, 'network'), troubles, until)] : []
  const ofBrokers =
    cluster.brokers.length > 1
      ? [troubleBrokers(cluster, new Dice(seed, 'brokers'), troubles, until, say)]
      : []
  return [...ofMembers, ...network, ...ofBrokers]
}

/**
 * Waits until nothing is left to read and nothing more is written; says what was left when that
 * does not come.
 */
async function drain({ log, scene, say, abort }: Given): Promise<readonly string[]> {
  const deadlineMs = Date.now() + DRAIN_MS_MAX
  let ends = ''
  let quiet = 0
  while (quiet < QUIET_LOOKS) {
    abort.throwIfAborted()
    const lag = await lagOf(log, scene, PARTITIONS)
    const now = await endsOf(log, scene, PARTITIONS)
    quiet = lag === 0 && now === ends ? quiet + 1 : 0
    ends = now
    if (Date.now() > deadlineMs)
      return [`not drained within ${DRAIN_MS_MAX / 1000} s: ${lag} records are left`]
    if (lag > 0) say(`${lag} records are left`)
    await sleep(LOOK_MS)
  }
  return []
}

/**
 * What the members have told in their logs: generations of both groups, and cursors that were
 * refused.
 */
function sightings(members: readonly Service[]): { readonly generations: number; readonly outdated: number } {
  const generations = new Set<string>()
  let outdated = 0
  for (const { logFile } of members) {
    for (const line of readFileSync(logFile, 'utf8').split('\n')) {
      const told = /"verify\.generation"|"stream\.task_outdated"/.exec(line)?.[0]
      if (told === '"stream.task_outdated"') outdated += 1
      if (told !== '"verify.generation"') continue
      const group = /"group":"([^"]*)"/.exec(line)?.[1] ?? ''
      generations.add(`${group} ${/"offset":(\d+)/.exec(line)?.[1]}`)
    }
  }
  return { generations: generations.size, outdated }
}
