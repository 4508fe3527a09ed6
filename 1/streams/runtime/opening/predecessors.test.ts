import { describe, expect, it } from 'vitest'
import type { LogClient } from '../../log/port.ts'
import { groupOf } from '../task/names.ts'
import { committerOn, until, wordRecord } from '../testing/counting.suite.ts'
import { closeWorkers, countOf, toldOf, workers, world, type World } from '../testing/recovery.suite.ts'
import { writeCursorMetadata } from './cursor.ts'

closeWorkers()

/** Notes under which ids a process ends transactions. */
function noting(client: LogClient, fenced: string[]): LogClient {
  return {
    ...client,
    transactions: (options) => {
      const inner = client.transactions(options)
      return {
        commit: (batch) => inner.commit(batch),
        close: () => inner.close(),
        fence: () => {
          fenced.push(options.transactionalId)
          return inner.fence()
        },
      }
    },
  }
}

const leaveOpen = ({ log, given }: World, transactionalId: string): void => {
  log.begin(transactionalId).write([wordRecord(given, 'open', 0, 1)])
  expect(log.openTransactions()).toHaveLength(1)
}

describe('what predecessors have left open', () => {
  it('is ended at once when its process is gone, so nobody waits for it to time out', async () => {
    const scene = await world()
    const doomed = scene.log.connect()
    const committer = committerOn(doomed)
    await scene.start({ log: doomed, committer })
    await scene.write('a')
    await toldOf(scene, 1)
    // Nothing of a dead process ever ends.
    workers.splice(0)
    doomed.crash()
    leaveOpen(scene, committer.id)
    await scene.write('a')
    scene.log.expireSessions()
    await scene.start()
    await toldOf(scene, 2)
    expect(await scene.told()).toEqual(['a 1', 'a 2'])
    expect(scene.log.openTransactions()).toEqual([])
  })

  it('is left to a member that has only lost the partition', async () => {
    const scene = await world(2)
    await scene.start()
    await scene.write('a', 'b', 'c', 'd')
    await toldOf(scene, 4)
    const fenced: string[] = []
    const client = noting(scene.log.connect(), fenced)
    const committer = committerOn(client)
    await scene.start({ log: client, committer })
    await until(() => countOf(scene.events, 'running') === 3, 'a partition has moved')
    expect(fenced).toEqual([committer.id])
  })

  it('is ended when it was left by a version that had a transactional id for each task', async () => {
    const scene = await world()
    const group = groupOf('test', scene.given.topology.name)
    const metadata = writeCursorMetadata({})
    await scene.log.admin.moveCursors(group, [{ topic: scene.given.words, partition: 0, next: 0, metadata }])
    leaveOpen(scene, `test.${scene.given.topology.name}.0`)
    await scene.write('a')
    await scene.start()
    await toldOf(scene, 1)
    expect(scene.log.openTransactions()).toEqual([])
  })
})
