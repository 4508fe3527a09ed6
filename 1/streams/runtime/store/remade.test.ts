import { describe, expect, it } from 'vitest'
import { changelogsOf, MARKS_STORE } from '../../dsl/topology.ts'
import type { LogRecord } from '../../log/port.ts'
import { provisionCounting, until } from '../testing/counting.suite.ts'
import { closeWorkers, countOf, toldOf, world, type World } from '../testing/recovery.suite.ts'
import { storeOf } from './mark-rows.ts'
import { memoryStores } from './memory.ts'

closeWorkers()

describe('a changelog that was deleted and made again', () => {
  it('fault R2: is restored from its first record, whatever the local store has of the other one', async () => {
    const scene = await world()
    const stores = memoryStores()
    const first = await scene.start({ stores })
    await scene.write('a')
    await scene.write('a')
    await toldOf(scene, 2)
    await first.close()
    await remake(scene, ({ value }) => String(value).replace('2', '7'))
    await scene.start({ stores })
    await scene.write('a')
    await toldOf(scene, 3)
    expect((await scene.told()).at(-1)).toBe('a 8')
    expect(countOf(scene.events, 'wiped')).toBe(1)
  })

  it('costs nothing of the local store while it is shorter: that may be all that is left', async () => {
    const scene = await world()
    const stores = memoryStores()
    const first = await scene.start({ stores })
    await scene.write('a')
    await toldOf(scene, 1)
    await first.close()
    await remake(scene, String, 0)
    await scene.start({ stores, limits: { shortChangelogMsMax: 200 } })
    await until(() => scene.events.includes('failed'), 'the task has failed')
    expect(scene.events).not.toContain('wiped')
    const store = await stores.open(`${scene.given.topology.name}.0`, () => {})
    expect(store.get('counts', 'a')).toContain('1')
  })

  it('keeps a store whose changelogs are the same', async () => {
    const scene = await world()
    const stores = memoryStores()
    await (await scene.start({ stores })).close()
    await scene.write('a')
    const again = await scene.start({ stores })
    await toldOf(scene, 1)
    await again.close()
    await scene.start({ stores })
    await scene.write('a')
    await toldOf(scene, 2)
    expect(await scene.told()).toEqual(['a 1', 'a 2'])
    expect(scene.events).not.toContain('wiped')
  })
})

const isMark = ({ key }: LogRecord): boolean => storeOf('', String(key)) === MARKS_STORE

/** The changelogs as made again by a backup: the last row first, and much behind it. */
async function remake({ log, given }: World, rowOf: (last: LogRecord) => string, others = 20): Promise<void> {
  const names = changelogsOf(given.topology)
  const before = names.map((name) => log.dump(name))
  await log.admin.deleteTopics(names)
  await provisionCounting(log, given, 1)
  for (const records of before) {
    const last = records.findLast((record) => !isMark(record))
    if (last === undefined) continue
    await log.writer().write([{ ...last, value: rowOf(last) }, ...records.filter(isMark).slice(-1)])
    for (let n = 0; n < others; n += 1)
      await log.writer().write([{ ...last, key: `other-${n}`, value: null }])
  }
}
