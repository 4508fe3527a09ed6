import { describe, expect, it } from 'vitest'
import { ModelGroup } from '../testing/model-group.suite.ts'
import { Membership, type MembershipOptions } from './membership.ts'

const SESSION_MS = 6_000

/** A member of a model group, and what it says. */
function member(group: ModelGroup, extra: Partial<MembershipOptions> = {}) {
  const generations: number[] = []
  const lost: number[] = []
  const membership = new Membership({
    cluster: group.cluster,
    joinLane: 'join',
    lane: 'fetch',
    group: 'group',
    topics: [group.topic],
    sessionTimeoutMs: SESSION_MS,
    held: () => [],
    standby: undefined,
    onRebalancing: () => Promise.resolve(),
    onAssigned: (_, generation) => generations.push(generation),
    onLost: (generation) => lost.push(generation),
    onFailed: (error) => {
      throw error
    },
    onTrouble: () => undefined,
    ...extra,
  })
  return { membership, generations, lost }
}

const turns = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => void setImmediate(resolve))
}

const beats = ({ seen }: ModelGroup): number => seen.filter((name) => name === 'Heartbeat').length

describe('a member of a group', () => {
  it('fault R11: keeps its partitions when two heartbeats in a row get no answer', async () => {
    const group = new ModelGroup()
    const { membership, generations, lost } = member(group)
    membership.start()
    await turns(() => beats(group) === 3)
    group.swallowed = 2
    await turns(() => beats(group) === 8)
    expect({ generations, lost }).toEqual({ generations: [1], lost: [] })
    await membership.stop()
  })

  it('fault R12: gives them up when the session must have ended', async () => {
    const group = new ModelGroup()
    const { membership, generations, lost } = member(group)
    membership.start()
    await turns(() => beats(group) === 3)
    group.swallowed = 3
    await turns(() => generations.length === 2)
    expect(lost).toEqual([1])
    await membership.stop()
  })

  it('lets its owner settle before it joins again, and not before it first joins', async () => {
    const group = new ModelGroup()
    const settled: string[][] = []
    const onRebalancing = () => {
      settled.push(group.seen.slice(-1))
      return Promise.resolve()
    }
    const { membership, generations } = member(group, { onRebalancing })
    membership.start()
    await turns(() => generations.length === 1)
    expect(settled).toEqual([])
    group.isMovingOn = true
    await turns(() => generations.length === 2)
    expect(settled).toEqual([['Heartbeat']])
    await membership.stop()
  })

  it('waits for its owner no longer than the group waits for it', async () => {
    const group = new ModelGroup()
    const { membership, generations, lost } = member(group, { onRebalancing: () => new Promise(() => {}) })
    membership.start()
    await turns(() => generations.length === 1)
    group.isMovingOn = true
    await turns(() => generations.length === 2)
    expect(lost).toEqual([])
    await membership.stop()
  })
})
