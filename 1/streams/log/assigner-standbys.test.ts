import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assign, type Applicant } from './assigner.ts'
import { COUNTS, newcomer, numbersOf } from './testing/assigner.suite.ts'

const LAG_MAX = 100
const FULL = 1000
const NUMBERS = Array.from({ length: 12 }, (_, number) => number)

/** Owns nothing, and has copies that reach so far. */
const copying = (memberId: string, numbers: readonly number[], reached = FULL): Applicant => ({
  ...newcomer(memberId),
  progress: new Map(numbers.map((number) => [number, reached])),
})

/**
 * A group over generations: members come and go. The copies that they are to keep they keep, or
 * have kept in part.
 */
class Group {
  members: Applicant[] = []
  shares: ReturnType<typeof assign> = new Map()
  readonly #replicas: number
  #generation = 0

  constructor(replicas = 1) {
    this.#replicas = replicas
  }

  join(memberId: string, warm: readonly number[] = []): void {
    const progress = new Map(warm.map((number) => [number, FULL]))
    this.members.push({ ...newcomer(memberId), replicas: this.#replicas, progress })
    this.assign()
  }

  leave(memberId: string): void {
    this.members = this.members.filter((one) => one.memberId !== memberId)
    this.assign()
  }

  assign(): void {
    this.#generation += 1
    this.shares = assign(this.members, COUNTS, LAG_MAX)
    this.members = this.members.map((one) => ({
      ...one,
      generation: this.#generation,
      numbers: this.owned(one.memberId),
    }))
  }

  /** All copies that are kept now catch up. */
  warmUp(): void {
    this.members = this.members.map((one) => {
      const kept = [...one.numbers, ...this.standbys(one.memberId)]
      return {
        ...one,
        progress: new Map([...one.progress, ...kept.map((number) => [number, FULL] as const)]),
      }
    })
  }

  owned(memberId: string): number[] {
    return numbersOf(this.shares).get(memberId) ?? []
  }

  standbys(memberId: string, due?: boolean): number[] {
    const standbys = this.shares.get(memberId)?.standbys ?? []
    return standbys.filter((one) => due === undefined || one.due === due).map(({ partition }) => partition)
  }

  get isDue(): boolean {
    return this.members.some((one) => this.standbys(one.memberId, true).length > 0)
  }

  /** Until nobody is due any more; answers how many generations that took. */
  settle(): number {
    for (let generations = 0; ; generations += 1) {
      this.warmUp()
      if (!this.isDue) return generations
      this.assign()
    }
  }
}

const changes = fc.array(fc.record({ joins: fc.boolean(), who: fc.nat({ max: 4 }), settles: fc.boolean() }), {
  minLength: 1,
  maxLength: 12,
})

function replay(group: Group, history: readonly { joins: boolean; who: number; settles: boolean }[]): void {
  for (const { joins, who, settles } of history) {
    const memberId = `m${who}`
    const isIn = group.members.some((one) => one.memberId === memberId)
    if (joins && !isIn) group.join(memberId)
    if (!joins && isIn) group.leave(memberId)
    if (settles) group.settle()
  }
}

describe('assign with standbys', () => {
  it('keeps as many copies as are wanted and possible, each by another member and none by the owner', () => {
    fc.assert(
      fc.property(changes, fc.integer({ min: 0, max: 3 }), (history, replicas) => {
        const group = new Group(replicas)
        replay(group, history)
        if (group.members.length === 0) return
        for (const number of NUMBERS) {
          const owners = group.members.filter((one) => group.owned(one.memberId).includes(number))
          const copies = group.members.filter((one) => group.standbys(one.memberId, false).includes(number))
          const due = group.members.filter((one) => group.standbys(one.memberId, true).includes(number))
          expect(owners).toHaveLength(1)
          const others = group.members.length - 1 - due.length
          expect(copies).toHaveLength(Math.min(replicas, others))
          expect(new Set([...owners, ...copies, ...due]).size).toBe(
            owners.length + copies.length + due.length,
          )
          expect(due.length).toBeLessThanOrEqual(1)
        }
      }),
    )
  })

  it('comes to rest balanced, with every partition and every copy at its place, and then moves nothing', () => {
    fc.assert(
      fc.property(changes, fc.integer({ min: 0, max: 3 }), (history, replicas) => {
        const group = new Group(replicas)
        replay(group, history)
        if (group.members.length === 0) return
        expect(group.settle()).toBeLessThanOrEqual(2)
        const sizes = group.members.map((one) => group.owned(one.memberId).length)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        group.assign()
        group.warmUp()
        const rested = group.shares
        group.assign()
        expect(group.shares).toEqual(rested)
      }),
    )
  })

  it('moves a partition only to a member whose copy is warm while there is a warmer one', () => {
    fc.assert(
      fc.property(changes, (history) => {
        const group = new Group()
        replay(group, history)
        group.settle()
        group.join('new')
        for (const number of group.owned('new')) {
          const best = Math.max(...group.members.map((one) => one.progress.get(number) ?? 0))
          expect(best).toBe(0)
        }
      }),
    )
  })

  it('gives what a failed member held to the members with its standbys at once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }), fc.nat({ max: 4 }), (members, who) => {
        const group = new Group()
        for (let n = 0; n < members; n += 1) group.join(`m${n}`)
        group.settle()
        group.assign()
        group.warmUp()
        const failed = `m${who % members}`
        const orphans = group.owned(failed)
        const keepers = new Map(
          orphans.map((number) => [
            number,
            group.members.find((one) => group.standbys(one.memberId).includes(number))?.memberId,
          ]),
        )
        group.leave(failed)
        for (const [number, keeper] of keepers) {
          expect(keeper).toBeDefined()
          const owner = group.members.find((one) => group.owned(one.memberId).includes(number))
          expect(owner?.progress.get(number)).toBe(FULL)
        }
      }),
    )
  })

  it('lets a newcomer warm its share first, beside the standbys that there are, and then gives it that', () => {
    const group = new Group()
    group.join('a')
    group.join('b')
    group.settle()
    group.join('c')
    expect(group.owned('c')).toEqual([])
    const due = group.standbys('c', true)
    expect(due).toHaveLength(4)
    expect(group.standbys('a', false).length + group.standbys('b', false).length).toBeGreaterThanOrEqual(8)
    group.warmUp()
    group.assign()
    expect(group.owned('c')).toEqual(due)
  })

  it('gives a member that comes back what it still has on its disk', () => {
    const group = new Group()
    group.join('a')
    group.warmUp()
    group.join('b', [0, 2, 3, 5, 8, 11])
    expect(group.owned('b')).toEqual([0, 2, 3, 5, 8, 11])
    expect(group.isDue).toBe(false)
  })

  it('gives what nobody owns to the freshest copies, also where no standbys are kept', () => {
    const odds = NUMBERS.filter((number) => number % 2 === 1)
    const members = [copying('a', NUMBERS, 5), copying('b', odds)]
    expect(numbersOf(assign(members, COUNTS, LAG_MAX)).get('b')).toEqual(odds)
  })

  it('leaves a warm copy where it is, unless its member has more than its part already', () => {
    const owning = { topics: ['orders'], replicas: 1, generation: 1 }
    const members = [
      { ...copying('a', [0]), ...owning, numbers: [0] },
      { ...copying('b', [1]), ...owning, numbers: [1] },
      { ...copying('c', [0, 1, 2]), ...owning, numbers: [2] },
    ]
    const shares = assign(members, new Map([['orders', 3]]), LAG_MAX)
    const copies = [...shares.values()].map(({ standbys }) => standbys.map(({ partition }) => partition))
    expect(copies).toEqual([[1], [2], [0]])
  })

  it('moves at once what is small, and what goes to a member that keeps no standbys', () => {
    const small = { ...newcomer('a'), generation: 1, numbers: NUMBERS, replicas: 1 }
    const progress = (reached: number) => new Map(NUMBERS.map((number) => [number, reached]))
    const tiny = assign(
      [
        { ...small, progress: progress(LAG_MAX) },
        { ...newcomer('b'), replicas: 1 },
      ],
      COUNTS,
      LAG_MAX,
    )
    expect(numbersOf(tiny).get('b')).toHaveLength(6)
    const off = assign([{ ...small, replicas: 0, progress: progress(FULL) }, newcomer('b')], COUNTS, LAG_MAX)
    expect(numbersOf(off).get('b')).toHaveLength(6)
    expect([...off.values()].flatMap(({ standbys }) => standbys)).toEqual([])
  })
})
