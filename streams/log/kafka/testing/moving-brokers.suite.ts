import { describe, expect, it } from 'vitest'
import { sleep } from '../../../platform/backoff.ts'
import type { Brokers } from './brokers.suite.ts'
import { Traffic } from './traffic.suite.ts'

const STEP = 20
/** Longer than brokers wait until one of them counts as gone: then others lead and coordinate. */
const FROZEN_MS = 8_000

/** Brokers come and go while everything is under way. */
export function movingCases(given: () => Brokers): void {
  describe('a client under way', () => {
    it('goes on when the leader of its partitions is stopped and comes back: nothing lost, nothing twice', async () => {
      const traffic = await Traffic.start(given(), given().connect())
      await traffic.advance(STEP)
      const leader = await given().leader(traffic.counted)
      await leader.stop()
      await traffic.advance(STEP)
      await leader.start()
      await given().cluster.whole()
      await traffic.advance(STEP)
      await traffic.stop()
      expect(await traffic.faults(given().direct)).toEqual([])
    }, 180_000)

    it('goes on when the coordinators of its group and of its id crash, one after the other', async () => {
      const traffic = await Traffic.start(given(), given().connect())
      await traffic.advance(STEP)
      for (const [kind, key] of [
        ['group', traffic.follower],
        ['transaction', traffic.transactionalId],
      ] as const) {
        const coordinator = await given().coordinator(kind, key)
        await coordinator.crash()
        await traffic.advance(STEP)
        await coordinator.start()
        await given().cluster.whole()
      }
      await traffic.advance(STEP)
      await traffic.stop()
      expect(await traffic.faults(given().direct)).toEqual([])
    }, 180_000)

    it('goes on when a broker hangs with its connections open, and when it comes back as a zombie', async () => {
      const traffic = await Traffic.start(given(), given().connect())
      await traffic.advance(STEP)
      const hanging = await given().leader(traffic.counted)
      hanging.freeze()
      try {
        await sleep(FROZEN_MS)
        await traffic.advance(STEP)
      } finally {
        hanging.thaw()
      }
      await traffic.advance(STEP)
      await traffic.stop()
      expect(await traffic.faults(given().direct)).toEqual([])
    }, 180_000)

    it('needs none of the brokers that it was given, once it knows the others; a new one starts with a dead first', async () => {
      const { cluster } = given()
      const [first] = cluster.brokers
      if (first === undefined) throw new Error('there is no broker')
      const gone = cluster.proxy.addresses[0] ?? ''
      const before = await Traffic.start(given(), given().connect({ brokers: [gone] }))
      await before.advance(STEP)
      await first.crash()
      await before.advance(STEP)
      const after = await Traffic.start(
        given(),
        given().connect({ brokers: [gone, ...cluster.proxy.addresses] }),
      )
      await after.advance(STEP)
      await Promise.all([before.stop(), after.stop()])
      for (const traffic of [before, after]) expect(await traffic.faults(given().direct)).toEqual([])
      await first.start()
    }, 180_000)
  })
}
