import { SUBMIT_RESULT_MIRROR } from '../../../streams/contracts/subjects.ts'
import { SUBMIT_RESULTS_READ_LOOKUP } from '../../../streams/contracts/lookups.ts'
import { submitResults } from '../../../streams/contracts/outbound.ts'
import type { Lookup } from '../../../streams/contracts/question.ts'
import type { LogClient } from '../../../streams/log/port.ts'
import { groupProgress, progressAlong } from '../../../streams/runtime/watch/reading-progress.ts'
import { groupOf } from '../../../streams/runtime/task/names.ts'
import { SEGMENTS } from '../../../topologies/segments/segments.ts'
import { allTopologies } from '../../../topologies/all.ts'
import type { Topology } from '../../../streams/dsl/topology.ts'
import { memoryLog, type MemoryLog } from '../../../streams/log/memory.ts'
import { shuffledScheduler, type ShuffledScheduler } from '../../../streams/log/memory/shuffled-scheduler.ts'
import { provisionTopics } from '../../../streams/runtime/provision.ts'
import { DEFAULT_LIMITS, type StandbyLimits, type TaskLimits } from '../../../streams/runtime/limits.ts'
import { BridgeProcess } from './bridge.ts'
import { Bridges } from './bridges.ts'
import { Dice } from './dice.ts'
import { NO_FAULTS, planFaults, requestFaultHooks, TURN_DELAY_MS_MAX, type FaultPlan } from './faults.ts'
import { Gateway } from './gateway.ts'
import { History } from './history.ts'
import { canonicalRulesOf, operatorOf } from './checks/ids.ts'
import { Losses, NO_LOSSES, planLosses, type LossPlan } from './losses.ts'
import { Machines } from './machines.ts'
import { SimNats } from './nats.ts'
import { Nemesis } from './nemesis.ts'
import { OrderWatch } from './order-watch.ts'
import { APP, Process, type Plant } from './process.ts'
import { rowLimitsBy, type RowLimits } from './row-limits.ts'
import { Routing } from './routing.ts'
import { Sender } from './sender.ts'
import { VirtualTime } from './virtual-time.ts'

/**
 * The simulated world of one seed: the real topologies and the real runtime over the in-memory log,
 * and around them a scheduler, a clock, machines, clients and operators that all follow from the
 * seed.
 */
export interface World {
  readonly seed: number
  readonly partitions: number
  readonly topologies: readonly Topology[]
  readonly rows: RowLimits
  readonly scheduler: ShuffledScheduler
  readonly time: VirtualTime
  readonly history: History
  readonly log: MemoryLog
  readonly machines: Machines
  readonly nemesis: Nemesis
  /** Whether faults may happen now. */
  readonly storm: { active: boolean }
  readonly routing: Routing
  readonly sender: Sender
  readonly nats: SimNats
  readonly bridges: Bridges
  readonly gateway: Gateway
  /** Requests that are still on a long way. */
  readonly lateness: { pending: number }
  /** How often cursors were moved back: from then on records may be read again. */
  readonly replays: { count: number }
  readonly losses: Losses
  readonly dice: (part: string) => Dice
}

const START_MS = Date.parse('2026-04-18T10:00:00.000Z')

const topologiesWithin = (rows: RowLimits): readonly Topology[] =>
  allTopologies({
    ...rows,
    rulesOf: canonicalRulesOf,
    strategyOf: (operatorId) => operatorOf(operatorId).wire,
    scopeOf: (operatorId) => operatorOf(operatorId).reports,
  })

export interface WorldOptions {
  readonly plant?: Plant
  /** Nothing bad happens but what the traffic itself brings. */
  readonly calm?: boolean
}

/** Small, so that every limit is reached by a few messages. */
function limitsBy(dice: Dice): TaskLimits {
  return {
    ...DEFAULT_LIMITS,
    recordsPerRoundMax: dice.pick([1, 3, 10, 100]),
    recordsPerTopicMax: dice.pick([2, 8, 100]),
    timersPerRoundMax: dice.pick([1, 4, 100]),
    commitMs: dice.pick([5, 100, 100]),
    restoreBytesMax: dice.pick([300, 2000, 100_000]),
    recentRowsMax: dice.pick([1, 10, 1000]),
    rowsFetchedMin: 1,
    // Nights pass here in no time, after which a clock that is right must not be doubted for long.
    clockDoubtMsMax: 5000,
  }
}

function standbysBy(dice: Dice): StandbyLimits {
  return { replicas: dice.pick([0, 1, 1]), pollMs: dice.pick([50, 500]), bytesMax: dice.pick([300, 100_000]) }
}

/** What the parts of a world are made from. */
interface Ground {
  readonly seed: number
  readonly partitions: number
  readonly limits: TaskLimits
  readonly rows: RowLimits
  readonly topologies: readonly Topology[]
  readonly standbys: StandbyLimits
  readonly plan: FaultPlan
  readonly lossPlan: LossPlan
  readonly scheduler: ShuffledScheduler
  /** Takes a turn in the scheduler, sometimes a later one. */
  readonly schedule: (task: () => void) => void
  readonly time: VirtualTime
  readonly history: History
  readonly log: MemoryLog
  /** Whether faults may happen now. */
  readonly storm: { active: boolean }
  readonly lateness: { pending: number }
  readonly dice: (part: string) => Dice
}

function lay(seed: number, options: WorldOptions): Ground {
  const dice = (part: string): Dice => new Dice(seed, part)
  const settings = dice('settings')
  const ordering = dice('scheduler')
  const scheduler = shuffledScheduler(() => ordering.next())
  const time = new VirtualTime(START_MS, scheduler.schedule)
  const history = new History(() => `${time.elapsedMs}`)
  const plan =
    options.calm === true
      ? NO_FAULTS
      : planFaults(dice('plan'), dice('long-plan'), options.plant?.shows === 'freezes')
  const lossPlan =
    options.calm === true ? NO_LOSSES : planLosses(dice('loss-plan'), options.plant?.shows === 'losses')
  const storm = { active: false }
  const delays = dice('delays')
  const schedule = (task: () => void): void => {
    if (!storm.active || !delays.chance(plan.delayed)) return scheduler.schedule(task)
    history.fault('step_delayed', '')
    time.after(delays.int(1, TURN_DELAY_MS_MAX), task)
  }
  const lateness = { pending: 0 }
  const log = memoryLog({
    schedule,
    late: lateIn(time, dice('late'), lateness),
    faults: requestFaultHooks(plan, dice('requests'), history, () => storm.active),
    deliverMax: settings.pick([1, 3, 50]),
    lagMax: dice('warmth').pick([0, 3, 1000]),
  })
  const limits = { ...limitsBy(settings), ...lossPlan.limits }
  const rows = rowLimitsBy(dice('rows'))
  return {
    seed,
    partitions: settings.pick([2, 3]),
    limits,
    rows,
    topologies: topologiesWithin(rows),
    standbys: standbysBy(dice('standbys')),
    plan,
    lossPlan,
    scheduler,
    schedule,
    time,
    history,
    log,
    storm,
    lateness,
    dice,
  }
}

const LATE_MS_MAX = 5000

const lateIn =
  (time: VirtualTime, dice: Dice, lateness: { pending: number }) =>
  (task: () => void): void => {
    lateness.pending += 1
    time.after(dice.int(0, LATE_MS_MAX), () => {
      lateness.pending -= 1
      task()
    })
  }

function settle(ground: Ground, routing: Routing, nats: SimNats, plant: Plant, order: OrderWatch): Machines {
  const { log, time, history, limits, rows, topologies, standbys, schedule, dice } = ground
  const processDice = dice('processes')
  return new Machines({
    log,
    time,
    dice: dice('machines'),
    history,
    newProcess: (name, { disk }, onEnded) => {
      const client = log.connect()
      return new Process({
        name,
        disk,
        client,
        topologies,
        rows,
        lookup: (process) => ({
          ...routing.lookups(process),
          [SUBMIT_RESULTS_READ_LOOKUP]: resultsReadBy(process, client, nats),
        }),
        limits,
        standbys,
        time,
        schedule,
        dice: processDice,
        history,
        watched: order.watched(name),
        plant,
        onEnded,
      })
    },
  })
}

/** As main.ts wires it, over the process's own connection. */
const resultsReadBy = (process: Process, { admin }: LogClient, nats: SimNats): Lookup =>
  progressAlong({
    stages: [
      mirroredFrom(process, nats),
      groupProgress({ admin, group: groupOf(APP, SEGMENTS), topic: submitResults.name }),
    ],
    now: process.clock.now,
    failed: (error) => process.say(`cannot tell what has been read: ${String(error)}`),
  })

const mirroredFrom = (process: Process, nats: SimNats) => async () => {
  await process.turn()
  const durable = nats.durables.find(({ name }) => name === SUBMIT_RESULT_MIRROR.durable)
  if (durable === undefined) throw new Error('no bridge has started yet')
  return durable.progress()
}

function bridge(ground: Ground, nats: SimNats, plant: Plant): Bridges {
  const { log, time, history, dice } = ground
  const processDice = dice('bridges')
  const ackPendingMax = dice('durables').pick([1, 5, 1000])
  return new Bridges({
    log,
    time,
    dice: dice('bridge-hosts'),
    newBridge: (name, onEnded) =>
      new BridgeProcess({
        name,
        client: log.connect(),
        nats,
        time,
        dice: processDice,
        history,
        plant,
        ackPendingMax,
        onEnded,
      }),
  })
}

export async function openWorld(seed: number, options: WorldOptions = {}): Promise<World> {
  const ground = lay(seed, options)
  const { log, time, history, partitions, scheduler, dice, limits, topologies } = ground
  const plant = options.plant ?? {}
  const routing = new Routing(dice('routing'), time, history)
  const nats = new SimNats({ ...ground, dice: dice('nats') })
  const order = new OrderWatch({ log, history, partitions, topologies })
  const machines = settle(ground, routing, nats, plant, order)
  const bridges = bridge(ground, nats, plant)
  const sender = new Sender(nats, time)
  const parts = { machines, bridges, nats, routing, sender }
  const about = { ...ground, ...parts, dice: dice('gateway'), plant: plant.gateway ?? {} }
  const gateway = new Gateway(about)
  const nemesis = new Nemesis({ ...ground, ...parts, gateway, dice: dice('nemesis') })
  const opening = provisionTopics(log.admin, topologies, { partitions, replicas: 1 })
  await scheduler.drain()
  await opening
  order.start()
  machines.watchTransactions(limits.transactionTimeoutMs)
  const losses = new Losses({ ...ground, order, dice: dice('losses') })
  return { ...ground, ...parts, nemesis, gateway, losses, replays: { count: 0 } }
}
