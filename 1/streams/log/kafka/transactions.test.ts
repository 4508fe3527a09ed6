import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LogError } from '../port.ts'
import type { OutRecord } from '../port.ts'
import { LateNetwork } from './testing/late-network.suite.ts'
import type { Fate } from './testing/late-network.suite.ts'
import { API, ModelBroker } from './testing/model-broker.suite.ts'
import { KafkaTransactions } from './transactions.ts'

const TRANSACTIONS = 4
const TIMEOUT_MS = 400
/** Enough for every script; more means that something is asked for again and again. */
const ATTEMPTS_MAX = 60

const TEST_TIMEOUT_MS = 60_000

const always = (): Fate => 'answered'

const record = (value: number, partition: number): OutRecord => ({
  topic: 'topic',
  partition,
  key: 'k',
  value: `${value}`,
  timestamp: 1,
})

const upTo = (last: number): string[] => Array.from({ length: last }, (_, i) => `${i + 1}`)

/** Thrown and not expected, because it also looks on from within a run. */
function mustEqual(what: string, actual: unknown, expected: unknown): void {
  const [is, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== wanted) throw new Error(`${what}: ${is}, not ${wanted}`)
}

class World {
  readonly model: ModelBroker
  readonly network: LateNetwork
  readonly outcomes: string[] = []

  constructor(protocol: 1 | 2, fateOf: (index: number, apiKey: number) => Fate) {
    this.model = new ModelBroker(protocol)
    this.network = new LateNetwork(this.model, fateOf, () => this.#observe())
  }

  /** Works through all transactions as an owner does, who repeats what the port says. */
  async run(): Promise<void> {
    let transactions = await this.#takeOver()
    let attempts = 0
    while (this.model.cursor.next < TRANSACTIONS) {
      if ((attempts += 1) > ATTEMPTS_MAX) throw new Error(`no end: ${this.outcomes.join(', ')}`)
      const number = this.model.cursor.next + 1
      const outcome = await codeOf(transactions.commit(commitOf(number)))
      this.outcomes.push(outcome)
      if (outcome === 'done') mustEqual('what is done', this.model.cursor.next, number)
      if (outcome === 'retriable') mustEqual('what is to be repeated', this.model.cursor.next, number - 1)
      if (outcome === 'unknown' || outcome === 'fenced') transactions = await this.#takeOver()
    }
    this.network.arrive()
    this.#observe()
    const seen = this.model.partitions.map(({ committed }) => committed)
    mustEqual('in the end', seen, [upTo(TRANSACTIONS), upTo(TRANSACTIONS)])
  }

  async #takeOver(): Promise<KafkaTransactions> {
    const { brokers } = this.network
    const options = { cluster: brokers, lane: 'test', transactionalId: 'id', timeoutMs: TIMEOUT_MS }
    const transactions = new KafkaTransactions(options)
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const outcome = await codeOf(transactions.fence())
      if (outcome === 'done') return transactions
    }
    throw new Error('the id cannot be taken over')
  }

  /** At every moment what is visible is whole, and the cursor stands behind it. */
  #observe(): void {
    const expected = upTo(this.model.cursor.next)
    for (const { committed } of this.model.partitions) mustEqual('visible', committed, expected)
  }
}

async function codeOf(working: Promise<unknown>): Promise<string> {
  try {
    await working
    return 'done'
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    return error.code
  }
}

const PROTOCOLS = [1, 2] as const

/** One fault at each step, and every moment at which a late request may arrive. */
function* singleFaults(sent: number): Generator<{ readonly at: number; readonly fate: Fate }> {
  for (let at = 0; at < sent; at += 1) {
    yield { at, fate: 'answer lost' }
    yield { at, fate: 'lost' }
    for (let late = 1; at + late <= sent + 2; late += 1) yield { at, fate: { late } }
  }
}

/** What a leader says that has appended a batch but could not copy it in time. */
const NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20

/** Several requests in a row, so that also what is repeated is lost and given up in the end. */
const burstOf = {
  at: fc.nat(60),
  count: fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 25 })),
}
const lostBurst = fc.record({
  ...burstOf,
  only: fc.option(fc.constantFrom(...Object.values(API)), { nil: undefined }),
  fate: fc.oneof(
    fc.constantFrom<Fate>('answer lost', 'lost'),
    fc.integer({ min: 1, max: 40 }).map((late): Fate => ({ late })),
  ),
})
const refusedBurst = fc.record({
  ...burstOf,
  only: fc.constant(API.produce),
  fate: fc.constant<Fate>({ refused: NOT_ENOUGH_REPLICAS_AFTER_APPEND }),
})
const burst = fc.oneof({ arbitrary: lostBurst, weight: 4 }, { arbitrary: refusedBurst, weight: 1 })

const commitOf = (number: number) => ({
  records: [record(number, 0), record(number, 1)],
  moves: [{ group: 'group', cursors: () => [{ topic: 'input', partition: 0, next: number, metadata: '' }] }],
})

async function fenced({ network: { brokers } }: World): Promise<KafkaTransactions> {
  const options = { cluster: brokers, lane: 'test', transactionalId: 'id', timeoutMs: TIMEOUT_MS }
  const transactions = new KafkaTransactions(options)
  await transactions.fence()
  return transactions
}

async function perCommit(protocol: 1 | 2): Promise<number[]> {
  const world = new World(protocol, always)
  const transactions = await fenced(world)
  const before = world.network.sent.length
  await transactions.commit(commitOf(1))
  return world.network.sent.slice(before)
}

describe('transactions on a network that loses answers', () => {
  it.each(PROTOCOLS)(
    'fault R5: [F6] are whole whichever request arrives late, protocol %i',
    async (protocol) => {
      const undisturbed = new World(protocol, always)
      await undisturbed.run()
      expect(undisturbed.outcomes).toEqual(Array.from({ length: TRANSACTIONS }, () => 'done'))
      for (const { at, fate } of singleFaults(undisturbed.network.sent.length)) {
        const world = new World(protocol, (index) => (index === at ? fate : 'answered'))
        const what = `request ${at} ${JSON.stringify(fate)}`
        await world.run().catch((error: unknown) => {
          throw new Error(`${what}: ${world.outcomes.join(', ')}`, { cause: error })
        })
        // What does not arrive late costs nobody anything.
        if (typeof fate === 'string') mustEqual(what, world.outcomes, undisturbed.outcomes)
      }
    },
    TEST_TIMEOUT_MS,
  )

  it.each(PROTOCOLS)(
    'fault R5: [F6] are whole whatever is lost, given up and late, protocol %i',
    async (protocol) => {
      const whole = fc.asyncProperty(fc.array(burst, { minLength: 1, maxLength: 5 }), async (bursts) => {
        const fateOf = (index: number, apiKey: number): Fate =>
          bursts.find(
            ({ at, count, only }) =>
              at <= index && index < at + count && (only === undefined || only === apiKey),
          )?.fate ?? 'answered'
        await new World(protocol, fateOf).run()
      })
      await expect(fc.assert(whole, { numRuns: 500 })).resolves.toBeUndefined()
    },
    TEST_TIMEOUT_MS,
  )

  it.each([API.addPartitions, API.addOffsets, API.produce, API.txnOffsetCommit, API.endTxn])(
    'fault R5: [F6] take a new epoch after a lost answer to api %i, and keep it without one, in protocol 1',
    async (lost) => {
      const quiet = new World(1, always)
      await quiet.run()
      expect(quiet.model.coordinator.epoch).toBe(0)
      let isFirst = true
      const disturbed = new World(1, (_, apiKey) => {
        if (apiKey !== lost || !isFirst) return 'answered'
        isFirst = false
        return 'answer lost'
      })
      await disturbed.run()
      expect(disturbed.model.coordinator.epoch).toBe(1)
    },
  )

  it('fault R5: [F6] do not begin before the new epoch is there', async () => {
    let isCut = false
    const world = new World(1, (_, apiKey) => {
      if (isCut && apiKey === API.initProducerId) return 'lost'
      if (isCut || apiKey !== API.endTxn) return 'answered'
      isCut = true
      return 'answer lost'
    })
    const transactions = await fenced(world)
    expect(await codeOf(transactions.commit(commitOf(1)))).toBe('done')
    const before = world.network.sent.length
    expect(await codeOf(transactions.commit(commitOf(2)))).toBe('retriable')
    expect(new Set(world.network.sent.slice(before))).toEqual(new Set([API.initProducerId]))
    isCut = false
    // One more answer to an end is lost, and the epoch after it is there at once.
    expect(await codeOf(transactions.commit(commitOf(2)))).toBe('done')
    expect(world.model.cursor.next).toBe(2)
  })

  it('make three requests a commit in protocol 2, and five in protocol 1', async () => {
    expect(await perCommit(2)).toEqual([API.produce, API.txnOffsetCommit, API.endTxn])
    expect(await perCommit(1)).toEqual([
      API.addPartitions,
      API.addOffsets,
      API.produce,
      API.txnOffsetCommit,
      API.endTxn,
    ])
  })
})
