import { describe, expect, it } from 'vitest'
import { scriptedCluster, scriptedSettings } from '../testing/scripted-cluster.suite.ts'
import { closedAfterEach } from '../wire/testing/scripted-broker.suite.ts'
import { Cluster } from './cluster.ts'
import { cutBack } from './cut-back.ts'

const opened = closedAfterEach()

/** A leader of epoch 5, by which records of the epoch that is asked about end at `end`. */
async function asked(end: number, leaderEpoch: number) {
  const partition = { epoch: 5, fetch: () => ({}), endOf: () => end }
  const scripted = await scriptedCluster(new Map([['t:0', partition]]))
  opened(scripted.broker)
  const clock = { now: Date.now, sleep: () => Promise.resolve(), random: () => 0.5 }
  const cluster = opened(new Cluster(scriptedSettings(scripted), clock))
  const cursor = { topic: 't', partition: 0, next: 10, metadata: '', errorCode: 0, leaderEpoch }
  const cut = await cutBack(cluster, 'admin', [cursor])
  return { cut: cut.get('t:0'), questions: scripted.epochQuestions }
}

describe('a cursor that was committed with the epoch of a leader', () => {
  it('fault R8: is known to be beyond what another leader has of that epoch', async () => {
    const { cut, questions } = await asked(7, 3)
    expect(cut).toBe(7)
    expect(questions).toEqual([{ topic: 't', partition: 0, leaderEpoch: 5, epoch: 3 }])
  })

  it('is sound when another leader has all that was read', async () => {
    expect((await asked(10, 3)).cut).toBeUndefined()
    expect((await asked(12, 3)).cut).toBeUndefined()
  })

  it('is not doubted when the same leader leads, nor asked about without an epoch', async () => {
    expect(await asked(7, 5)).toEqual({ cut: undefined, questions: [] })
    expect(await asked(7, -1)).toEqual({ cut: undefined, questions: [] })
  })

  it('is left alone when the leader has never heard of the epoch', async () => {
    expect((await asked(-1, 9)).cut).toBeUndefined()
  })
})
