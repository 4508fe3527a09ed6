import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryLog } from '../../log/memory.ts'
import { sleep } from '../../platform/backoff.ts'
import { counting, provisionCounting, startWorker, until, wordRecord } from '../testing/counting.suite.ts'
import { livenessOf } from './observe-positions.ts'
import { PositionWatch, type PositionHooks, type Standing } from './position-watch.ts'
import { positionWatchSuite } from '../testing/position-watch.suite.ts'
import { memoryStores } from '../store/memory.ts'

let names = 0
positionWatchSuite('the in-memory log', {
  connect: () => Promise.resolve(memoryLog()),
  unique: (name) => `${name}-${(names += 1)}`,
})

const AT = { topic: 'words', partition: 3 }
const RUNNING: Standing = { at: AT, reader: 'counting', next: 10, isBusy: false, signs: 0, doing: 'running' }
const STUCK_AFTER_MS = 60_000
const EVERY_MS = 5_000
const LOOKS = STUCK_AFTER_MS / EVERY_MS + 1

/** A reader, the end of the log and the time, each where the test puts it. */
function told() {
  const world = {
    standings: [RUNNING] as readonly Standing[],
    end: 20,
    isAway: false,
    nowMs: 0,
    events: [] as string[],
  }
  const hooks: PositionHooks = {
    stuck: ({ at }, quietMs, behind) => world.events.push(`stuck ${at.topic} ${quietMs} ${behind}`),
    moved: ({ at }) => world.events.push(`moved ${at.topic}`),
    lag: () => {},
    unknown: () => {},
  }
  const watch = new PositionWatch({
    readers: [{ standings: () => world.standings }],
    admin: {
      bounds: (at) =>
        world.isAway
          ? Promise.reject(new Error('away'))
          : Promise.resolve(
              new Map(
                at.map(({ topic, partition }) => [`${topic}:${partition}`, { start: 0, end: world.end }]),
              ),
            ),
    },
    now: () => world.nowMs,
    sleep,
    hooks,
    stuckAfterMs: STUCK_AFTER_MS,
    everyMs: EVERY_MS,
  })
  const look = async (count = 1, each: (look: number) => void = () => {}, passMs = EVERY_MS) => {
    for (let n = 0; n < count; n += 1) {
      each(n)
      world.nowMs += passMs
      await watch.look()
    }
  }
  return { world, watch, look }
}

describe('the position watch', () => {
  it('tells once that a partition is stuck and once that it moves again', async () => {
    const { world, watch, look } = told()
    await look(3 * LOOKS)
    expect(world.events).toEqual([`stuck words ${STUCK_AFTER_MS} 10`])
    const { details } = livenessOf(watch)
    expect(Object.keys(details)).toEqual(['counting.3'])
    expect(details['counting.3']).toContain('stuck at words 3 offset 10, 10 behind, running')
    world.standings = [{ ...RUNNING, next: 11 }]
    await look()
    expect(world.events.slice(1)).toEqual(['moved words'])
    expect(livenessOf(watch)).toEqual({ ready: true, details: {} })
  })

  it('takes the steps of a restore for movement, and their absence for none', async () => {
    const { world, look } = told()
    const restoring = { ...RUNNING, isBusy: true, doing: 'restoring' }
    await look(3 * LOOKS, (n) => (world.standings = [{ ...restoring, signs: n }]))
    expect(world.events).toEqual([])
    await look(LOOKS)
    expect(world.events).toHaveLength(1)
  })

  it('judges nobody while the log is away, says so, and gives everybody the whole time after it', async () => {
    const { world, watch, look } = told()
    await look(LOOKS - 1)
    world.isAway = true
    await look(LOOKS)
    expect(livenessOf(watch)).toEqual({ ready: true, details: { log: 'does not answer' } })
    world.isAway = false
    await look(LOOKS - 2)
    expect(world.events).toEqual([])
  })

  it('makes nobody late by a clock that is set or a process that was frozen', async () => {
    const { world, look } = told()
    await look(2)
    await look(1, () => {}, 24 * 3_600_000)
    await look(1, () => {}, -24 * 3_600_000)
    await look(1)
    expect(world.events).toEqual([])
  })

  it('never tells of a partition that moves, is at its end or is excused, whatever else happens', async () => {
    const step = fc.record({
      kind: fc.constantFrom('moves', 'ends', 'excused', 'lives', 'away'),
      passMs: fc.integer({ min: 0, max: 20_000 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const { world, look } = told()
        let [next, signs] = [0, 0]
        world.end = 1_000
        for (const { kind, passMs } of steps) {
          if (kind === 'moves') next += 1
          if (kind === 'lives') signs += 1
          world.isAway = kind === 'away'
          const excuse = kind === 'excused' ? 'on purpose' : undefined
          const at = kind === 'ends' ? world.end : next
          world.standings = [{ ...RUNNING, next: at, signs, excuse }]
          await look(1, () => {}, passMs)
        }
        expect(world.events).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('notices the input that is not fetched beside one that flows, and not the one that waits its turn', async () => {
    const { world, look } = told()
    const other = { ...RUNNING, at: { topic: 'tallies', partition: 3 } }
    await look(2 * LOOKS, (n) => (world.standings = [{ ...other, next: n }, RUNNING]))
    expect(world.events).toEqual([`stuck words ${STUCK_AFTER_MS} 10`])
  })

  it('says of a task whose broker refuses its commits that it recovers, not that it is stuck', async () => {
    const log = memoryLog({ faults: { commitRefused: () => true } })
    const given = counting('refused')
    await provisionCounting(log, given, 1)
    const clock = { now: Date.now, sleep: (_: number, signal?: AbortSignal) => sleep(1, signal) }
    const worker = await startWorker({ log, stores: memoryStores(), counting: given, clock })
    const { world, look } = told()
    await log.writer().write([wordRecord(given, 'a', 0, 1)])
    await until(() => worker.status().some(({ doing }) => doing === 'recovering'), 'a refused commit')
    for (let n = 0; n < 2 * LOOKS; n += 1) {
      const before = worker.standings()[0]?.signs ?? 0
      await until(() => (worker.standings()[0]?.signs ?? 0) > before, 'another attempt')
      world.standings = worker.standings()
      await look()
    }
    expect(world.events).toEqual([])
    await worker.close()
  })
})
