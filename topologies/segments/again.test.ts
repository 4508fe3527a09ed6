import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SubmitResult } from '../../streams/contracts/outbound.ts'
import type { ExpectedFact, ReceiptFact } from '../../streams/contracts/receipts.ts'
import type { PipeOptions } from '../../streams/testing/driver.ts'
import { expected, HOUR_MS, receipt, result, START, World } from './testing/segments.suite.ts'

type Input = SubmitResult | ExpectedFact | ReceiptFact

const pipe = (world: World, input: Input, options: PipeOptions = {}): number =>
  'kind' in input ? world.fact(input, options) : world.result(input, options)

const by = (world: World) =>
  Object.values(world.emitted())
    .flat()
    .map((event) => JSON.stringify(event))

/** What has been told so far: every event, and what outcomes and bills say, each once. */
class Told {
  readonly events: string[] = []
  readonly outcomes = new Set<string>()
  readonly closedBy = new Set<string>()

  take(world: World): void {
    const emitted = world.emitted()
    this.events.push(
      ...Object.values(emitted)
        .flat()
        .map((event) => JSON.stringify(event)),
    )
    for (const event of emitted.aggregated) {
      this.closedBy.add(event.closedBy)
      this.outcomes.add(`${event.status} ${event.received} of ${event.expected}`)
    }
    for (const event of emitted.billing)
      this.outcomes.add(`bill ${event.dlrStatus} ${event.deliveredSegments} of ${event.segmentCount}`)
  }
}

describe('a receipt read again [D16]', () => {
  it.each([
    ['that closed the message', ['DELIVRD'], 1],
    ['UNKNOWN, with its webhook', ['ACCEPTD', 'DELIVRD'], 1],
    ['that did not change its segment', ['DELIVRD', 'UNDELIV'], 2],
  ])('[P2] %s emits the same bytes and changes nothing', (_, stats, total) => {
    const world = new World().submitted(total)
    const piped = stats.map((stat) => {
      const fact = receipt(1, total, stat)
      return { fact, offset: world.fact(fact), first: by(world) }
    })
    const row = JSON.stringify(world.row)
    for (const { fact, offset, first } of piped) {
      world.fact(fact, { offset, at: START })
      expect(by(world)).toEqual(first)
    }
    expect(JSON.stringify(world.row)).toBe(row)
  })

  it('[P6] re-emitted by the topology before, at another position, does not turn into a late one', () => {
    const world = new World().submitted(1)
    const unknown = receipt(1, 1, 'ACCEPTD')
    world.fact(unknown)
    const first = by(world)
    world.fact(receipt(1, 1, 'DELIVRD'))
    world.emitted()
    world.fact(unknown, { headers: { replayed: '1' } })
    expect(by(world)).toEqual(first)
  })

  it('[P2] a duplicate is dropped again, also when the message has been closed since', () => {
    const world = new World().submitted(1)
    world.fact(receipt(1, 1, 'ACCEPTD'))
    const repeated = receipt(1, 1, 'ACCEPTD', { receivedAt: START + HOUR_MS })
    const offset = world.fact(repeated)
    world.fact(receipt(1, 1, 'DELIVRD'))
    world.emitted()
    world.fact(repeated, { offset })
    expect(by(world)).toEqual([])
  })

  it('[P2] a late one is late again, with the same id', () => {
    const world = new World().submitted(1)
    world.fact(receipt(1, 1, 'DELIVRD'))
    world.emitted()
    const offset = world.fact(receipt(1, 1, 'UNDELIV'))
    const first = by(world)
    world.fact(receipt(1, 1, 'UNDELIV'), { offset })
    expect(by(world)).toEqual(first)
  })
})

const STATS = ['DELIVRD', 'UNDELIV', 'REJECTD', 'EXPIRED', 'DELETED'] as const

/**
 * What happens to one segment: refused at once, or accepted and reported by one terminal receipt,
 * perhaps UNKNOWN before.
 */
const fate = fc.record({
  refused: fc.option(fc.constantFrom('REJECTED' as const, 'EXPIRED' as const), { freq: 5 }),
  stat: fc.constantFrom(...STATS),
  unknown: fc.boolean(),
})

const inputsOf = (
  fates: readonly { refused: 'REJECTED' | 'EXPIRED' | null; stat: string; unknown: boolean }[],
) => {
  const total = fates.length
  return fates.flatMap(({ refused, stat, unknown }, i): Input[] => {
    if (refused !== null) return [result(i + 1, total, refused)]
    const accepted = [result(i + 1, total), receipt(i + 1, total, stat)]
    return unknown ? [...accepted, receipt(i + 1, total, 'ENROUTE')] : accepted
  })
}

const scenario = fc
  .array(fate, { minLength: 1, maxLength: 4 })
  .map((fates) => [expected(fates.length), ...inputsOf(fates)])
  .chain((inputs) =>
    fc.record({
      inputs: fc.constant(inputs),
      order: fc.shuffledSubarray(inputs, { minLength: inputs.length, maxLength: inputs.length }),
      /** After which input which earlier one is read again (true) or comes once more (false). */
      repeats: fc.array(fc.tuple(fc.nat(inputs.length - 1), fc.nat(inputs.length - 1), fc.boolean())),
    }),
  )

function play(inputs: readonly Input[], repeats: readonly (readonly [number, number, boolean])[] = []) {
  const world = new World()
  const piped: { input: Input; offset: number }[] = []
  const told = new Told()
  for (const [index, input] of inputs.entries()) {
    piped.push({ input, offset: pipe(world, input) })
    told.take(world)
    for (const [after, which, again] of repeats) {
      const earlier = piped[which]
      if (after !== index || earlier === undefined) continue
      pipe(world, earlier.input, again ? { offset: earlier.offset } : {})
      told.take(world)
    }
  }
  return { world, piped, told }
}

describe('every order of arrival', () => {
  it('DLR-018.2 gives the same outcome and exactly one bill, with repetitions and re-reads in between', () => {
    fc.assert(
      fc.property(scenario, ({ inputs, order, repeats }) => {
        const straight = play(inputs).told.outcomes
        expect(straight.size).toBe(2)
        expect(play(order, repeats).told.outcomes).toEqual(straight)
      }),
      { numRuns: 500 },
    )
  })

  it('[P1] [P2] reading everything again emits nothing new and leaves the row as it is', () => {
    fc.assert(
      fc.property(scenario, ({ order, repeats }) => {
        const { world, piped, told } = play(order, repeats)
        const row = JSON.stringify(world.row)
        const known = new Set(told.events)
        for (const { input, offset } of piped) pipe(world, input, { offset })
        expect(by(world).filter((event) => !known.has(event))).toEqual([])
        expect(JSON.stringify(world.row)).toBe(row)
      }),
      { numRuns: 300 },
    )
  })

  it('the grace closes whatever has not been closed, once, and bills what an operator had', () => {
    fc.assert(
      fc.property(scenario, fc.nat(12), ({ order }, length) => {
        const { world, told } = play(order.slice(0, Math.max(1, length)))
        world.driver.advance(25 * HOUR_MS)
        told.take(world)
        expect(told.closedBy.size).toBe(1)
        expect(told.outcomes.size).toBe(told.closedBy.has('NOT_SENT') ? 1 : 2)
      }),
    )
  })
})
