import { saidSoFar } from './checks/forgotten.ts'
import { checkEnd, checkForgotten, checkOutcome } from './checks/invariants.ts'
import { CLOCK_ERROR_MS_MAX, HOUR_MS, MINUTE_MS } from './checks/ids.ts'
import type { Dice } from './dice.ts'
import { TOPICS } from '../../../streams/contracts/catalogue.ts'
import { endsOf } from './checks/order.ts'
import { isEmpty, moveCursorsBack, moveSegmentsToTheStart } from './replay.ts'
import { Rest } from './rest.ts'
import { sendLarge } from './large.ts'
import { NOTICED_MS_MAX } from './losses.ts'
import { sendTraffic } from './traffic.ts'
import { openWorld, type World, type WorldOptions } from './world.ts'

export interface RunResult {
  readonly seed: number
  readonly violations: readonly string[]
  readonly faults: ReadonlyMap<string, number>
  readonly messages: number
  readonly steps: number
  /** The same for every run of the seed. */
  readonly hash: string
  readonly recent: readonly string[]
}

/** A run that needs more has stopped getting anywhere. */
const STEPS_MAX = 300_000
/** How long the system may take to become quiet once faults have stopped. */
const QUIET_WITHIN_MS = 120_000
/** The longest of all lifetimes: a closed message's, whose receipts may come for 168 h. */
const FORGOTTEN_MS = 200 * HOUR_MS
const RECENT_LINES = Number(process.env['LINES'] ?? 60)

/**
 * One seed: traffic under faults; the faults stop; all must come to rest and be right. Then a day
 * passes, with late receipts and again faults, then all lifetimes end.
 */
export async function runSeed(seed: number, options: WorldOptions = {}): Promise<RunResult> {
  const world = await openWorld(seed, options)
  const { time, machines, bridges, storm, gateway, history } = world
  const dice = world.dice('run')
  const messages = dice.pick([4, 10, 20])
  const spreadMs = dice.pick([500, 5000, 15_000])
  for (const machine of machines.all) time.after(dice.int(0, 1500), () => machines.start(machine))
  for (const host of bridges.all) time.after(dice.int(0, 1500), () => bridges.start(host))
  if (options.calm === true) await comeToRest(world)
  const traffic = { ...world, dice: world.dice('traffic'), messages, spreadMs }
  const accepted = sendTraffic(traffic)
  if (options.calm !== true) sendLarge({ ...traffic, dice: world.dice('large') })
  storm.active = true
  await forMs(world, spreadMs + dice.int(2000, 15_000))
  await comeToRest(world)
  // A timer that was armed while a clock was ahead is late by as much once the clock is right
  // again.
  time.jump(CLOCK_ERROR_MS_MAX + MINUTE_MS)
  await comeToRest(world)
  if (dice.chance(0.4)) await readAgain(world, dice)
  time.jump(24 * HOUR_MS + 30 * MINUTE_MS)
  storm.active = dice.chance(0.5)
  if (dice.chance(0.5)) await forMs(world, dice.int(100, 3000))
  gateway.release()
  await forMs(world, 6000)
  await comeToRest(world)
  time.jump(CLOCK_ERROR_MS_MAX + MINUTE_MS)
  await comeToRest(world)
  if (history.violations.length === 0) await checkOutcome(world, accepted)
  time.jump(FORGOTTEN_MS)
  await comeToRest(world)
  if (history.violations.length === 0) await checkEnd(world)
  if (dice.chance(0.3) && history.violations.length === 0) await readForgotten(world, dice)
  const { steps, violations, faults } = history
  const recent = history.recent(RECENT_LINES)
  return { seed, violations, faults, messages, steps, recent, hash: history.digest() }
}

/** One step of the next in turn. Between any two of them something bad may happen. */
async function step({ scheduler, time, nemesis, history }: World): Promise<void> {
  history.steps += 1
  await settled()
  nemesis.tick()
  if (scheduler.waiting() === 0) return time.advanceToNext()
  scheduler.step()
  if (history.steps % 4 === 0) time.advance(1)
}

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

async function forMs(world: World, ms: number): Promise<void> {
  const untilMs = world.time.elapsedMs + ms
  while (world.time.elapsedMs < untilMs && isGoing(world)) await step(world)
}

const isGoing = ({ history }: World): boolean => {
  if (history.steps > STEPS_MAX) history.violation(`more than ${STEPS_MAX} steps`)
  return history.violations.length === 0
}

/**
 * Cursors are moved back in the middle of traffic. Not where the log has lost something: of what
 * was written over it nobody can say whether it is read again.
 */
async function readAgain(world: World, dice: Dice, move = moveCursorsBack): Promise<void> {
  if (world.losses.count > 0) return
  world.machines.hold()
  world.bridges.hold()
  await until(world, () => isEmpty(world))
  await until(world, () => move(world, dice).then(() => true))
  world.storm.active = dice.chance(0.6)
  await forMs(world, dice.int(1000, 8000))
  await comeToRest(world)
}

/** Cursors are moved back when nothing but the marks is left to tell. */
async function readForgotten(world: World, dice: Dice): Promise<void> {
  if (world.losses.count > 0) return
  const before = saidSoFar(world)
  const isStrict = dice.chance(0.6)
  const ends = endsOf({ log: world.log, topics: TOPICS.map(({ name }) => name) })
  await readAgain(world, dice, isStrict ? moveSegmentsToTheStart : moveCursorsBack)
  world.time.jump(CLOCK_ERROR_MS_MAX + MINUTE_MS)
  await comeToRest(world)
  if (world.history.violations.length === 0) await checkForgotten(world, before, isStrict ? ends : null)
}

/** Steps on until the answer, which itself takes steps, is true. */
async function until(world: World, isSo: () => Promise<boolean>): Promise<void> {
  let state: 'asked' | 'no' | 'yes' = 'no'
  while (isGoing(world)) {
    if (state === 'no') {
      state = 'asked'
      void isSo().then((answer) => (state = answer ? 'yes' : 'no'))
    }
    await step(world)
    if (isAnswered()) return
  }
  function isAnswered(): boolean {
    return state === 'yes'
  }
}

/** Faults stop; within bounded time everything must have been done. */
async function comeToRest(world: World): Promise<void> {
  const { time, nemesis, history, losses } = world
  nemesis.rest()
  if (losses.areFresh) await forMs(world, 2 * NOTICED_MS_MAX)
  const rest = new Rest(world)
  const untilMs = time.elapsedMs + QUIET_WITHIN_MS
  while (!rest.isQuiet && isGoing(world)) {
    if (time.elapsedMs > untilMs)
      return history.violation(`no rest after ${QUIET_WITHIN_MS} ms: ${rest.unrest}`)
    await step(world)
    rest.look()
  }
  losses.settled()
}
