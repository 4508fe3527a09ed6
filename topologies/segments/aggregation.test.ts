import { describe, expect, it } from 'vitest'
import { expected, HOUR_MS, receipt, result, World } from './testing/segments.suite.ts'

/**
 * Every combination of what may become of the segments of a message, against the rules stated
 * again. By receipt: D DELIVERED, U UNDELIVERED, F FAILED, R REJECTED, X EXPIRED. At the
 * submission: r REJECTED, x EXPIRED.
 */
const ENDS = ['D', 'U', 'F', 'R', 'X', 'r', 'x'] as const
/** Without an end: ? UNKNOWN, a accepted, i accepted without an id, - never submitted. */
type Fate = (typeof ENDS)[number] | '?' | 'a' | 'i' | '-'

const STAT: Readonly<Record<string, string>> = {
  D: 'DELIVRD',
  U: 'UNDELIV',
  F: 'DELETED',
  R: 'REJECTD',
  X: 'EXPIRED',
  '?': 'ENROUTE',
}
const MEANS: Readonly<Record<string, string>> = {
  D: 'DELIVERED',
  U: 'UNDELIVERED',
  F: 'FAILED',
  R: 'REJECTED',
  X: 'EXPIRED',
  r: 'REJECTED',
  x: 'EXPIRED',
}

/** [D27] for segments that have all ended. */
function statusOf(fates: readonly Fate[]): string {
  const statuses = new Set(fates.map((fate) => MEANS[fate]))
  if (statuses.has('FAILED')) return 'FAILED'
  const [only = ''] = statuses
  return statuses.size === 1 ? only : 'PARTIAL'
}

type Step = (world: World) => void

/** The submission of a segment, and what its operator says later. */
function stepsOf(fate: Fate, index: number, total: number): readonly Step[] {
  if (fate === '-') return []
  if (fate === 'r' || fate === 'x')
    return [(world) => void world.result(result(index, total, fate === 'r' ? 'REJECTED' : 'EXPIRED'))]
  const { operatorMessageId: _, ...withoutId } = result(index, total)
  const submitted = fate === 'i' ? withoutId : result(index, total)
  const stat = STAT[fate]
  const accepted: Step = (world) => void world.result(submitted)
  return stat === undefined ? [accepted] : [accepted, (world) => void world.fact(receipt(index, total, stat))]
}

const played = (total: number, steps: readonly Step[]): World => {
  const world = new World()
  world.fact(expected(total))
  for (const step of steps) step(world)
  return world
}

const told = (world: World) => {
  const { aggregated, billing, webhooks, records } = world.emitted()
  const outcomes = records.flatMap((record) =>
    record.kind === 'ORPHAN' || record.messageOutcome === undefined ? [] : [record.messageOutcome],
  )
  return {
    aggregated: aggregated.map(
      ({ status, received, expected: all, closedBy }) => `${status} ${received}/${all} ${closedBy}`,
    ),
    billing: billing.map(({ dlrStatus, deliveredSegments }) => `${dlrStatus} ${deliveredSegments}`),
    webhooks: webhooks.map(({ dlrStatus }) => dlrStatus),
    outcomes: outcomes.map(({ status, received, expected: all }) => `${status} ${received}/${all}`),
  }
}

/** [D29] of a message whose segments have all ended. */
const complete = (fates: readonly Fate[]) => {
  const [status, total] = [statusOf(fates), fates.length]
  const delivered = fates.filter((fate) => fate === 'D').length
  return {
    aggregated: [`${status} ${total}/${total} ALL_RECEIVED`],
    billing: [`${status} ${delivered}`],
    webhooks: [status],
    outcomes: [`${status} ${total}/${total}`],
  }
}

function tuples<T>(of: readonly T[], length: number): readonly (readonly T[])[] {
  if (length === 0) return [[]]
  const others = tuples(of, length - 1)
  return of.flatMap((first) => others.map((rest) => [first, ...rest]))
}

function orders<T>(all: readonly T[]): readonly (readonly T[])[] {
  if (all.length <= 1) return [all]
  return all.flatMap((first, place) => orders(all.toSpliced(place, 1)).map((rest) => [first, ...rest]))
}

/** Each way to fill `length` places when their order does not matter. */
function multisets<T>(of: readonly T[], length: number): readonly (readonly T[])[] {
  if (length === 0) return [[]]
  return of.flatMap((first, place) => multisets(of.slice(place), length - 1).map((rest) => [first, ...rest]))
}

const LIMIT_MS = 120_000

describe('DLR-018.2 the outcome of a message [D27]', () => {
  it.each([1, 2, 3, 4, 5])(
    'is right for every combination of %i segments that have ended',
    (total) => {
      const all = total < 5 ? tuples(ENDS, total) : multisets(ENDS, total)
      for (const fates of all) {
        const steps = fates.flatMap((fate, place) => stepsOf(fate, place + 1, total))
        expect({ fates, ...told(played(total, steps)) }).toEqual({ fates, ...complete(fates) })
      }
    },
    LIMIT_MS,
  )

  it.each([1, 2])(
    'of %i segments is the same in every order of submissions and receipts',
    (total) => {
      for (const fates of tuples(ENDS, total))
        for (const steps of orders(fates.flatMap((fate, place) => stepsOf(fate, place + 1, total))))
          expect({ fates, ...told(played(total, steps)) }).toEqual({ fates, ...complete(fates) })
    },
    LIMIT_MS,
  )

  it.each([3, 4, 5])(
    'of %i segments is the same in every order in which they end',
    (total) => {
      // Of more segments only those combinations whose rows of [D27] differ.
      const ends = total === 3 ? ENDS : (['D', 'F', 'r'] as const)
      for (const fates of multisets<Fate>(ends, total)) {
        const steps = fates.map((fate, place) => stepsOf(fate, place + 1, total))
        const submissions = steps.flatMap((own) => own.slice(0, -1))
        for (const last of orders(steps.flatMap((own) => own.slice(-1))))
          expect({ fates, ...told(played(total, [...submissions, ...last])) }).toEqual({
            fates,
            ...complete(fates),
          })
      }
    },
    LIMIT_MS,
  )
})

const isEnded = (fate: Fate): boolean => fate in MEANS
const wasTaken = (fate: Fate): boolean => !['r', 'x', '-'].includes(fate)

describe('DLR-019.2 the end of the grace ([D26], [D26b])', () => {
  const FATES = ['D', 'F', 'r', '?', 'a', 'i', '-'] as const

  it.each([1, 2, 3, 4])(
    'closes every combination of %i segments that have not all ended, and bills what an operator had',
    (total) => {
      const all = total < 4 ? tuples(FATES, total) : multisets(FATES, total)
      for (const fates of all) {
        if (fates.every(isEnded)) continue
        const world = played(
          total,
          fates.flatMap((fate, place) => stepsOf(fate, place + 1, total)),
        )
        const before = told(world)
        expect({ fates, told: [...before.aggregated, ...before.billing] }).toEqual({ fates, told: [] })
        world.driver.advance(24 * HOUR_MS)
        const received = fates.filter(isEnded).length
        const delivered = fates.filter((fate) => fate === 'D').length
        const isSent = fates.some(wasTaken)
        const status = isSent ? 'PARTIAL' : 'FAILED'
        expect({ fates, ...told(world) }).toEqual({
          fates,
          aggregated: [`${status} ${received}/${total} ${isSent ? 'GRACE_EXPIRED' : 'NOT_SENT'}`],
          billing: isSent ? [`PARTIAL ${delivered}`] : [],
          webhooks: [status],
          outcomes: [`${status} ${received}/${total}`],
        })
        world.driver.advance(24 * HOUR_MS)
        expect(told(world)).toEqual({ aggregated: [], billing: [], webhooks: [], outcomes: [] })
      }
    },
    LIMIT_MS,
  )
})
