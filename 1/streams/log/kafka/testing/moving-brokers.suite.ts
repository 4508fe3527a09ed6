import { describe, expect, it } from 'vitest'
import type { Broker } from '../../../../dev/stack/cluster/cluster.ts'
import { sleep } from '../../../platform/backoff.ts'
import type { Brokers } from './brokers.suite.ts'
import { newNames, Traffic, type TrafficNames } from './traffic.suite.ts'

const STEP = 10
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

    it('goes on when the only broker that it was given crashes, which also coordinates its group and its id; a new one starts although that is the first of its list', async () => {
      const { proxy, brokers } = given().cluster
      const { names, coordinator } = await coordinatedTogether(given())
      const gone = proxy.addresses[brokers.indexOf(coordinator)] ?? ''
      const before = await Traffic.start(given(), given().connect({ brokers: [gone] }), names)
      await before.advance(STEP)
      await coordinator.crash()
      await before.advance(STEP)
      const list = [gone, ...proxy.addresses]
      const after = await Traffic.start(given(), given().connect({ brokers: list }))
      await after.advance(STEP)
      await coordinator.start()
      await given().cluster.whole()
      for (const traffic of [before, after]) {
        await traffic.advance(STEP)
        await traffic.stop()
        expect(await traffic.faults(given().direct)).toEqual([])
      }
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
  })
}

const TRIES_MAX = 50

/** A group and an id that one broker coordinates. */
async function coordinatedTogether(
  given: Brokers,
): Promise<{ readonly names: TrafficNames; readonly coordinator: Broker }> {
  for (let left = TRIES_MAX; left > 0; left -= 1) {
    const names = newNames()
    const coordinator = await given.coordinator('transaction', names.transactionalId)
    if (coordinator === (await given.coordinator('group', names.follower))) return { names, coordinator }
  }
  throw new Error('no broker coordinates both kinds')
}
