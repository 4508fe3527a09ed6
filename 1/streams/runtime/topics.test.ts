import { describe, expect, it } from 'vitest'
import type { LogClient } from '../log/port.ts'
import { until } from './testing/counting.suite.ts'
import { closeWorkers, toldOf, world } from './testing/recovery.suite.ts'

closeWorkers()

describe('a number of partitions that has changed', () => {
  it('fault R14: stops the start with a sentence that says why', async () => {
    const scene = await world()
    const first = await scene.start()
    await scene.write('a')
    await toldOf(scene, 1)
    await first.close()
    const more: LogClient = {
      ...scene.log,
      admin: { ...scene.log.admin, partitions: async (topics) => new Map(topics.map((topic) => [topic, 2])) },
    }
    await expect(scene.start({ log: more })).rejects.toThrow(/had 1 partitions when .* and has 2 now/)
  })

  it('fault R14: is noticed by a member that runs', async () => {
    const scene = await world()
    let count = 1
    const growing: LogClient = {
      ...scene.log,
      admin: {
        ...scene.log.admin,
        partitions: async (topics) => new Map(topics.map((topic) => [topic, count])),
      },
    }
    const failures: unknown[] = []
    await scene.start({
      log: growing,
      limits: { topicsLookMs: 10 },
      onFailed: (error) => failures.push(error),
    })
    count = 3
    await until(() => failures.length > 0, 'the member says so')
    expect(String(failures[0])).toMatch(/had 1 partitions when .* and has 3 now/)
  })
})
