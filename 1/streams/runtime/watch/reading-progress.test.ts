import { describe, expect, it } from 'vitest'
import type { ReadingProgress } from '../../contracts/lookups.ts'
import type { Question } from '../../contracts/question.ts'
import { memoryLog } from '../../log/memory.ts'
import { groupProgress, progressAlong, type Stage } from './reading-progress.ts'

const NOW = 1000
const QUESTION: Question<ReadingProgress> = { lookup: 'progress', key: '', about: {} }
const GROUP = 'readers'
const TOPIC = 'results'

async function world() {
  const log = memoryLog()
  await log.admin.ensureTopics([{ name: TOPIC, partitions: 2, replicas: 1, config: {} }])
  const write = (partition: number) =>
    log.writer().write([{ topic: TOPIC, partition, key: 'k', value: 'v', timestamp: NOW }])
  return { log, write, stage: groupProgress({ admin: log.admin, group: GROUP, topic: TOPIC }) }
}

describe('how far a group has read a topic', () => {
  it('is given by partition, beside the ends', async () => {
    const { log, write, stage } = await world()
    await write(1)
    await write(1)
    await log.admin.moveCursors(GROUP, [{ topic: TOPIC, partition: 1, next: 1, metadata: '' }])
    expect(await stage()).toEqual({ ends: [0, 2], read: [0, 1] })
  })

  it('counts what retention has taken as read, for nobody can read it any more', async () => {
    const { log, write, stage } = await world()
    await write(0)
    log.trim({ topic: TOPIC, partition: 0 }, 1)
    expect(await stage()).toEqual({ ends: [1, 0], read: [1, 0] })
  })

  it('is not known of a topic that does not exist', async () => {
    const { log } = await world()
    await expect(groupProgress({ admin: log.admin, group: GROUP, topic: 'elsewhere' })()).rejects.toThrow(
      'topic elsewhere does not exist',
    )
  })
})

describe('the progress along a path', () => {
  const failures: unknown[] = []
  const path = (stages: readonly Stage[]) =>
    progressAlong({ stages, now: () => NOW, failed: (error) => failures.push(error) })(QUESTION)

  it('asks the stages one after the other and says what each of them said', async () => {
    let asking = 0
    const stage = (ends: readonly number[], read: readonly number[]) => async () => {
      asking += 1
      expect(asking).toBe(1)
      await Promise.resolve()
      asking -= 1
      return { ends, read }
    }
    expect(await path([stage([7], [6]), stage([1, 2], [0, 2])])).toEqual({
      kind: 'found',
      value: { ends: [7, 1, 2], read: [6, 0, 2] },
      at: NOW,
    })
  })

  it('is unavailable, and says so aloud, when one stage cannot tell', async () => {
    const away = new Error('away')
    const stages = [() => Promise.resolve({ ends: [1], read: [1] }), () => Promise.reject(away)]
    expect(await path(stages)).toEqual({ kind: 'unavailable', reason: 'PROGRESS_UNKNOWN', at: NOW })
    expect(failures).toEqual([away])
  })
})
