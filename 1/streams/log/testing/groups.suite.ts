import { describe, expect, it } from 'vitest'
import { partitionKey } from '../port.ts'
import type { TopicPartition } from '../port.ts'
import { expectLogError, Follower, text, until } from './scene.suite.ts'
import type { Scene } from './scene.suite.ts'

interface Pair {
  readonly left: TopicPartition
  readonly right: TopicPartition
}

/** Two partitions of one topic: a record in one shows that the other is silent and not slow. */
async function pair(scene: Scene, name: string): Promise<Pair> {
  const topic = await scene.topic(name, 2)
  return { left: { topic, partition: 0 }, right: { topic, partition: 1 } }
}

/** A member that keeps copies, which reach as far as `reached` says. */
function keep(
  scene: Scene,
  group: string,
  topic: string,
  reached = new Map<number, number>(),
): Promise<Follower> {
  const standby = { replicas: 1, progress: () => reached }
  return scene.join(new Follower(scene.client, group, [topic], 'the beginning', standby))
}

function keysOf(follower: Follower): string[] {
  return follower.held.map(partitionKey).sort()
}

export function groupCases(scene: () => Scene): void {
  describe('a partition of a group member', () => {
    it('is paused and without position until it is sought and resumed', async () => {
      const { left, right } = await pair(scene(), 'silent')
      const follower = await scene().follow(scene().unique('group'), [left.topic], 'where told')
      await scene().write([text(left, 'early'), text(right, 'early')])
      follower.go(right, 0)
      await until('the other partition', () => follower.records(right).length === 1)
      expect(follower.records(left)).toEqual([])
      follower.go(left, 0)
      await until('this partition', () => follower.records(left).length === 1)
      expect(follower.values(left)).toEqual(['early'])
    })

    it('is delivered from exactly where it is sought, the first time and again while it flows', async () => {
      const at = await scene().partition('seek')
      await scene().write(['0', '1', '2', '3', '4', '5'].map((value) => text(at, value)))
      const follower = await scene().follow(scene().unique('group'), [at.topic], 'where told')
      follower.go(at, 3)
      await until('the tail', () => follower.next(at) === 6)
      expect(follower.values(at)).toEqual(['3', '4', '5'])
      follower.consumer.seek(at, 1)
      await until('the tail again', () => follower.values(at).filter((value) => value === '5').length === 2)
      expect(follower.values(at)).toEqual(['3', '4', '5', '1', '2', '3', '4', '5'])
    })

    it('is silent while paused and goes on without loss or repetition', async () => {
      const { left, right } = await pair(scene(), 'pause')
      const follower = await scene().follow(scene().unique('group'), [left.topic])
      await scene().write([text(left, '0'), text(left, '1')])
      await until('what came before', () => follower.records(left).length === 2)
      follower.consumer.pause([left])
      await scene().write([text(left, '2'), text(left, '3')])
      await scene().write([text(right, 'witness')])
      await until('the witness', () => follower.records(right).length === 1)
      expect(follower.values(left)).toEqual(['0', '1'])
      follower.consumer.resume([left])
      await scene().write([text(left, '4')])
      await until('the rest', () => follower.values(left).includes('4'))
      expect(follower.values(left)).toEqual(['0', '1', '2', '3', '4'])
    })

    it('moves on past control records to the end', async () => {
      const at = await scene().partition('markers')
      const follower = await scene().follow(scene().unique('group'), [at.topic])
      await scene().commit([text(at, 'one')])
      await scene().commit([text(at, 'two')])
      await until('two records and two markers', async () => {
        const end = await scene().end(at)
        return end >= 4 && follower.next(at) === end
      })
      expect(follower.values(at)).toEqual(['one', 'two'])
    })
  })

  describe('a group', () => {
    it('splits partition numbers between two members, the same number of every topic to the same one', async () => {
      const topics = [await scene().topic('orders', 4), await scene().topic('payments', 4)]
      const group = scene().unique('group')
      const one = await scene().follow(group, topics)
      await until('everything for one', () => one.held.length === 8)
      const two = await scene().follow(group, topics)
      await until('a fair split', () => one.held.length === 4 && two.held.length === 4)
      const all = topics.flatMap((topic) => [0, 1, 2, 3].map((partition) => ({ topic, partition })))
      expect([...keysOf(one), ...keysOf(two)].sort()).toEqual(all.map(partitionKey).sort())
      for (const at of all) {
        const sameNumber = topics.map((topic) => one.holds({ topic, partition: at.partition }))
        expect(new Set(sameNumber).size).toBe(1)
      }
      expect(one.generation).toBe(two.generation)
      expect((await scene().client.admin.groupState(group)).members).toBe(2)
    })

    it('lets kept partitions go on through a change of members, and hands over those of one that leaves', async () => {
      const topic = await scene().topic('handover', 2)
      const group = scene().unique('group')
      const stays = await scene().follow(group, [topic], 'where told')
      for (const at of stays.held) stays.go(at, 0)
      const leaves = await scene().follow(group, [topic], 'where told')
      await until('a split', () => stays.held.length === 1 && leaves.held.length === 1)
      const [kept] = stays.held
      const [handed] = leaves.held
      if (kept === undefined || handed === undefined) throw new Error('nothing to hand over')
      await scene().write([text(kept, '0'), text(handed, '0')])
      await until('the kept partition goes on', () => stays.records(kept).length === 1)
      await leaves.consumer.stop()
      await until('the handover', () => stays.held.length === 2)
      await scene().write([text(kept, '1'), text(handed, '1')])
      await until('the kept partition still goes on', () => stays.records(kept).length === 2)
      expect(stays.values(kept)).toEqual(['0', '1'])
      expect(stays.records(handed)).toEqual([])
      stays.go(handed, 0)
      await until('the handed one', () => stays.records(handed).length === 2)
      expect(stays.values(handed)).toEqual(['0', '1'])
    })

    it('raises the generation with every change of members', async () => {
      const topic = await scene().topic('generations', 2)
      const group = scene().unique('group')
      const one = await scene().follow(group, [topic])
      const alone = one.generation
      const two = await scene().follow(group, [topic])
      await until('both', () => one.held.length === 1 && two.held.length === 1)
      const together = one.generation
      await two.consumer.stop()
      await until('alone again', () => one.held.length === 2)
      expect(together).toBeGreaterThan(alone)
      expect(one.generation).toBeGreaterThan(together)
    })

    it('delivers to each of two groups everything', async () => {
      const at = await scene().partition('both')
      const one = await scene().follow(scene().unique('one'), [at.topic])
      const two = await scene().follow(scene().unique('two'), [at.topic])
      await scene().write([text(at, 'a'), text(at, 'b')])
      for (const follower of [one, two]) {
        await until('both records', () => follower.records(at).length === 2)
        expect(follower.values(at)).toEqual(['a', 'b'])
      }
    })

    it('calls a member that has left no more', async () => {
      const at = await scene().partition('left')
      const group = scene().unique('group')
      const left = await scene().follow(group, [at.topic])
      const witness = await scene().follow(scene().unique('witness'), [at.topic])
      await left.consumer.stop()
      const { calls } = left
      await scene().write([text(at, 'unheard')])
      await until('the witness', () => witness.records(at).length === 1)
      expect(left.calls).toBe(calls)
      expect((await scene().client.admin.groupState(group)).members).toBe(0)
    })
  })

  describe('a group whose members keep copies', () => {
    const FAR = 1_000_000

    it('tells another member than the owner to keep one, and makes it the owner when that leaves', async () => {
      const topic = await scene().topic('copies', 2)
      const group = scene().unique('group')
      const owner = await keep(scene(), group, topic)
      await until('everything for one', () => owner.held.length === 2)
      expect(owner.standbys).toEqual([])
      const other = await keep(scene(), group, topic)
      await until('one each', () => owner.held.length === 1 && other.held.length === 1)
      const [kept, moved] = [owner.held[0]?.partition, other.held[0]?.partition]
      expect(owner.standbys).toEqual([{ partition: moved, due: false }])
      expect(other.standbys).toEqual([{ partition: kept, due: false }])
      await owner.consumer.stop()
      await until('everything for the other', () => other.held.length === 2)
      expect(other.standbys).toEqual([])
    })

    it('gives a cold newcomer copies that are due, and partitions once it says that they have caught up', async () => {
      const topic = await scene().topic('due', 2)
      const group = scene().unique('group')
      const far = new Map([
        [0, FAR],
        [1, FAR],
      ])
      const owner = await keep(scene(), group, topic, far)
      await until('everything for one', () => owner.held.length === 2)
      const reached = new Map<number, number>()
      const newcomer = await keep(scene(), group, topic, reached)
      await until('two copies', () => newcomer.standbys.length === 2)
      expect(newcomer.held).toEqual([])
      expect(owner.held).toHaveLength(2)
      const due = newcomer.standbys.find((standby) => standby.due)?.partition ?? -1
      reached.set(due, FAR)
      newcomer.consumer.reassign()
      await until('one each', () => owner.held.length === 1 && newcomer.held.length === 1)
      expect(newcomer.held).toEqual([{ topic, partition: due }])
      expect(owner.generation).toBe(newcomer.generation)
      expect(newcomer.standbys).toEqual([{ partition: 1 - due, due: false }])
    })
  })

  describe('a plain commit', () => {
    it('moves the cursors of a member, and is fenced when the member has left', async () => {
      const at = await scene().partition('plain')
      const group = scene().unique('group')
      const follower = await scene().follow(group, [at.topic])
      await follower.consumer.commit([{ ...at, next: 3, metadata: 'plain' }])
      expect(await scene().cursor(group, at)).toEqual({ ...at, next: 3, metadata: 'plain' })
      await follower.consumer.stop()
      await expectLogError(follower.consumer.commit([{ ...at, next: 4, metadata: '' }]), 'fenced')
      expect(await scene().cursor(group, at)).toEqual({ ...at, next: 3, metadata: 'plain' })
    })

    it('is fenced when the group has gone on without the member', async (context) => {
      const { fixture } = scene()
      if (fixture.expelMember === undefined) context.skip('this log cannot expel a member')
      const at = await scene().partition('stale')
      const group = scene().unique('group')
      const follower = await scene().follow(group, [at.topic])
      await fixture.expelMember?.(follower.consumer)
      await expectLogError(follower.consumer.commit([{ ...at, next: 1, metadata: '' }]), 'fenced')
      expect(await scene().cursor(group, at)).toBeUndefined()
    })
  })
}
