import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { partitionOf } from '../partitioner.ts'
import { partitionKey } from '../port.ts'
import type { LogRecord, OutRecord, TopicPartition } from '../port.ts'
import { expectLogError, headersOf, text, TIMESTAMP, until, valuesOf } from './scene.suite.ts'
import type { Scene } from './scene.suite.ts'

const BINARY = Buffer.from([0, 255, 128, 10, 0])

function samples(at: TopicPartition): OutRecord[] {
  const headers = { plain: 'text', binary: BINARY, empty: '', repeated: ['one', BINARY, 'three'] }
  return [
    { ...at, key: 'key', value: 'value', headers, timestamp: TIMESTAMP },
    { ...at, key: BINARY, value: BINARY, timestamp: TIMESTAMP + 1 },
    { ...at, key: null, value: 'no key', timestamp: TIMESTAMP + 2 },
    { ...at, key: 'tombstone', value: null, timestamp: TIMESTAMP - 86_400_000 },
    { ...at, key: 'empty', value: '', headers: {}, timestamp: TIMESTAMP + 4 },
    { ...at, key: 'last', value: 'last', timestamp: TIMESTAMP + 5 },
  ]
}

function hex(value: string | Buffer | null): string | null {
  return value === null ? null : Buffer.from(value).toString('hex')
}

/** Both kinds of record in one form. */
function shape(record: OutRecord | LogRecord): unknown {
  return {
    at: partitionKey(record),
    key: hex(record.key),
    value: hex(record.value),
    headers: headersOf(record.headers),
    timestamp: record.timestamp,
  }
}

export function recordCases(scene: () => Scene): void {
  describe('a record', () => {
    it('survives unchanged: key, value, tombstone, repeated and binary headers, timestamp', async () => {
      const plain = await scene().partition('plain')
      const transactional = await scene().partition('transactional')
      await scene().write(samples(plain))
      await scene().commit(samples(transactional))
      for (const at of [plain, transactional]) {
        const expected = samples(at).map(shape)
        expect((await scene().readTo('last', at)).map(shape)).toEqual(expected)
        const follower = await scene().follow(scene().unique('group'), [at.topic])
        await until('all samples', () => follower.records(at).length === expected.length)
        expect(follower.records(at).map(shape)).toEqual(expected)
      }
    })

    it('lies in the partition that its key decides', async () => {
      const partitions = 3
      const topic = await scene().topic('keyed', partitions)
      const keys = Array.from({ length: 60 }, (_, i) => `message-${i}`)
      await scene().write(
        keys.map((key) => text({ topic, partition: partitionOf(key, partitions) }, 'v', key)),
      )
      const follower = await scene().follow(scene().unique('group'), [topic])
      const all = (): LogRecord[] =>
        Array.from({ length: partitions }, (_, partition) => follower.records({ topic, partition })).flat()
      await until('all keys', () => all().length === keys.length)
      for (const record of all()) expect(partitionOf(record.key ?? '', partitions)).toBe(record.partition)
      expect(
        all()
          .map((record) => String(record.key))
          .sort(),
      ).toEqual(keys.toSorted())
    })

    it('is durable when its write resolves, at the offset that the write names', async () => {
      const topic = await scene().topic('durable', 2)
      const left = { topic, partition: 0 }
      const right = { topic, partition: 1 }
      expect(await scene().write([text(left, 'a'), text(left, 'b'), text(right, 'c')])).toEqual(
        new Map([
          [partitionKey(left), 2],
          [partitionKey(right), 1],
        ]),
      )
      expect(await scene().write([text(left, 'd')])).toEqual(new Map([[partitionKey(left), 3]]))
      const records = await scene().readTo('d', left)
      expect(records.map(({ offset }) => offset)).toEqual([0, 1, 2])
      expect(valuesOf(records)).toEqual(['a', 'b', 'd'])
    })
  })

  describe('a record over the limit of its topic', () => {
    it('fault R3: is refused for good, in a transaction too, and the next one is taken', async () => {
      const { admin } = scene().client
      const topic = scene().unique('limited')
      const config = { 'max.message.bytes': '1000', 'retention.ms': '-1' }
      await admin.ensureTopics([{ name: topic, partitions: 1, replicas: 1, config }])
      await until('the topic', async () => (await admin.partitions([topic])).size === 1)
      const at = { topic, partition: 0 }
      // Not to be packed, should the writer pack what it sends.
      const large = text(at, randomBytes(2000).toString('hex'))
      await expectLogError(scene().write([large]), 'fatal')
      await expectLogError(scene().commit([large]), 'fatal')
      await scene().write([text(at, 'small')])
      expect(valuesOf(await scene().readTo('small', at))).toEqual(['small'])
    })
  })

  describe('a reader', () => {
    it('goes on past control records and reaches the end', async () => {
      const at = await scene().partition('control')
      await scene().commit([text(at, 'one')])
      await scene().commit([text(at, 'two')])
      const last = (await scene().readTo('two', at)).at(-1)?.offset ?? Number.NaN
      await until('the marker', async () => (await scene().end(at)) > last + 1)
      const reader = scene().client.reader()
      let next = 0
      await until('the end', async () => {
        const fetched = await reader.read(at, next, { bytesMax: 1_000_000, waitMs: 50 })
        next = fetched.next
        return next >= fetched.end
      })
      expect(next).toBe(await scene().end(at))
      expect(await reader.read(at, next, { bytesMax: 1_000_000, waitMs: 1 })).toEqual({
        records: [],
        next,
        end: next,
      })
      await reader.close()
    })

    it('comes through a long partition in small bites, in offset order, also from the middle', async () => {
      const at = await scene().partition('long')
      const values = Array.from({ length: 2_000 }, (_, i) => `value-${i}`)
      for (let i = 0; i < values.length; i += 100) {
        await scene().write(values.slice(i, i + 100).map((value) => text(at, value)))
      }
      const reader = scene().client.reader()
      for (const from of [0, 777]) {
        const read: LogRecord[] = []
        let next = from
        await until('the end', async () => {
          for (let progress = true; progress && next < values.length; ) {
            const fetched = await reader.read(at, next, { bytesMax: 500, waitMs: 50 })
            progress = fetched.next > next
            read.push(...fetched.records)
            next = fetched.next
          }
          return next >= values.length
        })
        expect(valuesOf(read)).toEqual(values.slice(from))
        expect(read.map(({ offset }) => offset)).toEqual(values.map((_, i) => i).slice(from))
      }
      await reader.close()
    }, 60_000)
  })

  describe('administration', () => {
    it('creates missing topics, accepts equal ones and names the one that differs', async () => {
      const { admin } = scene().client
      const name = scene().unique('declared')
      const spec = { name, partitions: 2, replicas: 1, config: { 'cleanup.policy': 'compact' } }
      await admin.ensureTopics([spec])
      await admin.ensureTopics([spec])
      const otherCount = await expectLogError(admin.ensureTopics([{ ...spec, partitions: 3 }]), 'fatal')
      expect(otherCount.message).toContain(name)
      const config = { 'cleanup.policy': 'delete' }
      const otherSetting = await expectLogError(admin.ensureTopics([{ ...spec, config }]), 'fatal')
      expect(otherSetting.message).toContain(name)
      const missing = scene().unique('missing')
      expect(await admin.partitions([name, missing])).toEqual(new Map([[name, 2]]))
    })

    it('knows the bounds of empty and of written partitions', async () => {
      const topic = await scene().topic('bounds', 2)
      const empty = { topic, partition: 0 }
      const written = { topic, partition: 1 }
      await scene().write([text(written, 'a'), text(written, 'b')])
      await until('the end', async () => (await scene().end(written)) === 2)
      expect(await scene().client.admin.bounds([empty, written])).toEqual(
        new Map([
          [partitionKey(empty), expect.objectContaining({ start: 0, end: 0 })],
          [partitionKey(written), expect.objectContaining({ start: 0, end: 2 })],
        ]),
      )
      expect(await scene().client.admin.ends([empty, written])).toEqual(
        new Map([
          [partitionKey(empty), expect.objectContaining({ end: 0 })],
          [partitionKey(written), expect.objectContaining({ end: 2 })],
        ]),
      )
    })

    it('deletes topics', async () => {
      const { admin } = scene().client
      const topic = await scene().topic('deleted', 1)
      await admin.deleteTopics([topic])
      await until('the deletion', async () => (await admin.partitions([topic])).size === 0)
      expect(await admin.partitions([topic])).toEqual(new Map())
    })

    it('makes a deleted topic again: it begins anew, and no group has a cursor in it', async () => {
      const { admin } = scene().client
      const at = await scene().partition('again')
      await scene().write([text(at, 'a'), text(at, 'b')])
      const group = scene().unique('group')
      await admin.moveCursors(group, [{ ...at, next: 2, metadata: '' }])
      await admin.deleteTopics([at.topic])
      await until('the deletion', async () => (await admin.partitions([at.topic])).size === 0)
      await admin.ensureTopics([
        { name: at.topic, partitions: 1, replicas: 1, config: { 'retention.ms': '-1' } },
      ])
      await until('the topic', async () => (await admin.partitions([at.topic])).size === 1)
      await scene().write([text(at, 'c')])
      expect((await scene().readTo('c', at)).map(({ offset }) => offset)).toEqual([0])
      expect(await scene().cursor(group, at)).toBeUndefined()
    })

    it('moves the cursors of a group without members, and refuses while it has one', async () => {
      const { admin } = scene().client
      const at = await scene().partition('moved')
      await scene().write([text(at, 'a'), text(at, 'b'), text(at, 'c')])
      const group = scene().unique('group')
      await admin.moveCursors(group, [{ ...at, next: 1, metadata: 'moved' }])
      expect(await scene().cursor(group, at)).toEqual({ ...at, next: 1, metadata: 'moved' })
      const member = await scene().follow(group, [at.topic])
      expect((await admin.groupState(group)).members).toBe(1)
      await expectLogError(admin.moveCursors(group, [{ ...at, next: 2, metadata: '' }]), 'fatal')
      await member.consumer.stop()
      await until('an empty group', async () => (await admin.groupState(group)).members === 0)
      expect(await scene().cursor(group, at)).toEqual({ ...at, next: 1, metadata: 'moved' })
      await admin.moveCursors(group, [{ ...at, next: 0, metadata: '' }])
      expect(await scene().cursor(group, at)).toEqual({ ...at, next: 0, metadata: '' })
    })
  })
}
