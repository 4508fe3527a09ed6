import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { API } from '../../../../dev/stack/proxy/frames.ts'
import { Gate } from '../../../../dev/stack/proxy/gate.ts'
import { cutAll } from '../../../../dev/stack/proxy/troubles.ts'
import { Dice } from '../../../../dev/proofs/sim/dice.ts'
import { sleep } from '../../../platform/backoff.ts'
import { partitionKey } from '../../port.ts'
import type { LogClient, TopicPartition } from '../../port.ts'
import { text, until } from '../../testing/scene.suite.ts'
import type { Brokers } from './brokers.suite.ts'
import { unique } from './held-transaction.suite.ts'
import { Traffic, valuesAt } from './traffic.suite.ts'

/** Below any deadline of a request: what needs longer has waited for an answer that never came. */
const AT_ONCE_MS = 8_000
/** So that answers about all of them are longer than a segment. */
const LONG_PARTITIONS = 100
const LONG_VALUE = 'x'.repeat(400_000)
/** Within the first segment of the answer, beyond its length and its correlation id. */
const INSIDE_BYTES = 1_000
const LATER_MS = 500
const CUTS = 30
const BETWEEN_CUTS_MS = 300

async function atOnce<T>(what: string, work: Promise<T>): Promise<T> {
  const timeout = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`${what}: nothing after ${AT_ONCE_MS} ms`)), AT_ONCE_MS).unref()
  })
  return Promise.race([work, timeout])
}

/** Each lane of the client is used once, so that its connections are there to be cut. */
interface Used {
  readonly client: LogClient
  readonly at: TopicPartition
  bounds(): Promise<number | undefined>
  read(): Promise<number>
  commit(value: string): Promise<void>
}

/** One topic for all cases, a partition for each: a broker that comes back looks at every copy. */
async function use(given: Brokers, topic: string, partition: number): Promise<Used> {
  const at = { topic, partition }
  const client = given.connect()
  const reader = client.reader()
  const group = unique('group')
  const transactions = client.transactions({ transactionalId: unique('cut'), timeoutMs: 20_000 })
  await transactions.fence()
  const all = Array.from({ length: LONG_PARTITIONS }, (_, other) => ({ topic, partition: other }))
  return {
    client,
    at,
    bounds: async () => (await client.admin.bounds(all)).get(partitionKey(at))?.end,
    read: async () => (await reader.read(at, 0, { bytesMax: 1_000_000, waitMs: 50 })).records.length,
    commit: async (value) => {
      await transactions.commit({
        records: [text(at, value)],
        moves: [
          {
            group,
            cursors: (written) => [{ ...at, next: written.get(partitionKey(at)) ?? 0, metadata: '' }],
          },
        ],
      })
    },
  }
}

/** What a request gets its answer cut by, and how it is made. */
const REQUESTS: readonly (readonly [keyof typeof API, number, (used: Used) => Promise<unknown>])[] = [
  ['fetch', INSIDE_BYTES, (used) => used.read()],
  ['listOffsets', INSIDE_BYTES, (used) => used.bounds()],
  ['metadata', INSIDE_BYTES, (used) => used.client.admin.partitions([used.at.topic])],
  ['produce', 10, (used) => used.commit('cut')],
  ['endTxn', 6, (used) => used.commit('cut')],
]

/** Bytes and their order are not the client's: connections end anywhere, requests come late. */
export function cutCases(given: () => Brokers): void {
  describe('a connection', () => {
    let topic = ''
    let cases = 0
    const using = (): Promise<Used> => use(given(), topic, (cases += 1))

    beforeAll(async () => {
      topic = (await given().partition('long', LONG_PARTITIONS)).topic
    })
    afterAll(() => given().direct.admin.deleteTopics([topic]))

    it.each(REQUESTS)(
      'fault R1: that is cut inside the answer to a %s takes its half-filled buffer with it',
      async (name, afterBytes, request) => {
        const used = await using()
        await used.commit(LONG_VALUE)
        // The end of a transaction is told before its marker is there.
        await until('the long value', async () => (await used.read()) === 1 && (await used.bounds()) === 2)
        const cut = given().cluster.proxy.next(
          { apiKey: API[name], client: 'tested' },
          { kind: 'cut-answer', afterBytes },
        )
        // The request that is cut may fail, or be repeated inside: what counts is what follows.
        const cutOne = request(used).catch(() => undefined)
        await atOnce('the cut', cut)
        await atOnce('what was cut', cutOne)
        await atOnce('admin.bounds', used.bounds())
        await atOnce('read', used.read())
        await atOnce('commit', used.commit('after'))
        expect((await valuesAt(given().direct, used.at)).at(-1)).toBe('after')
      },
      60_000,
    )

    it('fault R1: that is cut inside a request is replaced, and the request goes again', async () => {
      const used = await using()
      await used.commit('before')
      for (const [apiKey, afterBytes] of [
        [API.produce, 3],
        [API.produce, 100],
        [API.endTxn, 9],
        [API.txnOffsetCommit, 20],
      ] as const) {
        const cut = given().cluster.proxy.next(
          { apiKey, client: 'tested' },
          { kind: 'cut-request', afterBytes },
        )
        await used.commit(`${apiKey} ${afterBytes}`)
        await atOnce('the cut', cut)
      }
      await atOnce('read', used.read())
      const values = await valuesAt(given().direct, used.at)
      expect(values).toEqual(['before', '0 3', '0 100', '26 9', '28 20'])
    }, 60_000)

    it('that is half open is given up, and its requests go on over another', async () => {
      const used = await using()
      await used.commit('before')
      const muted = given().cluster.proxy.next(
        { apiKey: API.produce, client: 'tested' },
        { kind: 'half-open', from: 'answer' },
      )
      await used.commit('muted')
      await atOnce('the act', muted)
      await used.commit('after')
      expect(await valuesAt(given().direct, used.at)).toEqual(['before', 'muted', 'after'])
    }, 60_000)

    it('may be slow: what is longer than a segment arrives whole', async () => {
      const used = await using()
      await used.commit('x'.repeat(20_000))
      const slowed = given().cluster.proxy.next(
        { apiKey: API.fetch, client: 'tested' },
        { kind: 'slow', pauseMs: 5 },
      )
      await until('the value', async () => (await used.read()) === 1)
      await slowed
      expect(await used.read()).toBe(1)
    }, 60_000)
  })

  describe('a request that was given up', () => {
    it('fault R5: and arrives in the middle of the next transaction does not commit half of it', async () => {
      const at = await given().partition('late')
      const client = given().connect()
      const transactions = client.transactions({ transactionalId: unique('late'), timeoutMs: 20_000 })
      await transactions.fence()
      const release = new Gate()
      const held = given().cluster.proxy.next(
        { apiKey: API.endTxn, client: 'tested' },
        { kind: 'hold', hold: () => release.opened, thenCut: true },
      )
      await transactions.commit({ records: [text(at, 'first')], moves: [] })
      await held
      // The end of the second one takes longer than the late end of the first, once that is let go.
      const late = { kind: 'hold', hold: () => sleep(LATER_MS) } as const
      void given().cluster.proxy.next({ apiKey: API.endTxn, client: 'tested' }, late)
      const failing = transactions.commit({
        records: [text(at, 'half')],
        moves: [
          {
            group: '',
            cursors: () => {
              release.open()
              throw new Error('changed my mind')
            },
          },
        ],
      })
      await expect(failing).rejects.toThrow('changed my mind')
      await transactions.fence()
      await transactions.commit({ records: [text(at, 'next')], moves: [] })
      expect(await valuesAt(given().direct, at)).toEqual(['first', 'next'])
    }, 60_000)
  })

  describe('a process', () => {
    it(`fault R1: survives ${CUTS} random cuts of each of its connections without a restart`, async () => {
      const { proxy } = given().cluster
      const traffic = await Traffic.start(given(), given().connect())
      await traffic.advance(10)
      const dice = new Dice(1, 'cuts')
      const done = await cutAll(proxy, { rounds: CUTS, everyMs: BETWEEN_CUTS_MS, dice })
      await proxy.mend()
      await traffic.advance(10)
      await traffic.stop()
      expect(await traffic.faults(given().direct)).toEqual([])
      expect(done.cuts).toBeGreaterThanOrEqual(CUTS)
    }, 120_000)
  })
}
