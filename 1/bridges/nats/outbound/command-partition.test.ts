import { headers } from '@nats-io/transport-node'
import { describe, expect, test } from 'vitest'
import { commandSubject } from '../../../streams/contracts/subjects.ts'
import type { MemoryFaults } from '../../../streams/log/memory/faults.ts'
import { LogError } from '../../../streams/log/port.ts'
import { AT, Commands, GROUP } from '../testing/commands.suite.ts'
import { ensureTopics, OPERATOR } from '../testing/scene.suite.ts'
import { OWNERSHIP_MS_MAX, StaleOwnership, UnmarkedHistory } from './command-partition.ts'
import { SubjectMoved } from './publish.ts'
import { MARKS_AT, PublishedMarks } from './published-marks.ts'

const MINUTE_MS = 60_000
const fenced = { code: 'fenced' }

const markOf = (commands: Commands) => new PublishedMarks(commands.log.connect()).of({ ...AT, group: GROUP })

const wiped = async (): Promise<Commands> => {
  const commands = await Commands.begin()
  await commands.write(3)
  await (await commands.owner()).takeAll()
  await commands.log.admin.deleteTopics([MARKS_AT.topic])
  await ensureTopics(commands.log)
  commands.nowMs += 11 * MINUTE_MS
  return commands
}

const unique = (ids: readonly string[]): readonly string[] => [...new Set(ids)]

describe('[P7] fault R6a: a partition that comes back after another owner has died', () => {
  test.each([
    { fault: 'beforeCommit', so: 'nothing of it is on the log' },
    { fault: 'afterCommitBeforeReply', so: 'all of it is on the log' },
  ] as const)(
    'three commands are not published again when the last commit failed: $fault, $so',
    async ({ fault }) => {
      const faults: MemoryFaults = {}
      const commands = await Commands.begin(faults)
      await commands.write(3)
      const a = await commands.owner()
      await a.takeAll()
      await commands.write(3)
      const b = await commands.owner()
      const batch = await commands.batch(3)
      await b.partition.handle(batch)
      faults[fault] = () => true
      await expect(b.commit(batch)).rejects.toMatchObject({ code: 'unknown' })
      delete faults[fault]
      commands.nowMs += 11 * MINUTE_MS
      await a.partition.open()
      await a.takeAll()
      expect(commands.stream.ids).toHaveLength(6)
      expect(unique(commands.stream.ids)).toHaveLength(6)
      expect(await commands.cursor()).toBe(6)
    },
  )

  test('mark and cursor move together or not at all', async () => {
    const faults: MemoryFaults = {}
    const commands = await Commands.begin(faults)
    const owner = await commands.owner()
    await commands.write(4)
    faults.commitRefused = () => true
    await expect(owner.takeAll()).rejects.toBeInstanceOf(LogError)
    delete faults.commitRefused
    expect([await commands.cursor(), (await markOf(commands))?.acknowledged]).toEqual([0, -1])
    await owner.takeAll()
    expect([await commands.cursor(), (await markOf(commands))?.acknowledged]).toEqual([4, 3])
  })

  test('what a lost owner had on its way is looked up in the stream, in batches of any size', async () => {
    const commands = await Commands.begin()
    await commands.write(6)
    const a = await commands.owner()
    await a.partition.handle(await commands.batch(0))
    commands.nowMs += 11 * MINUTE_MS
    for (let from = 0; from < 6; from += 2) {
      const next = await commands.owner()
      await next.take(await commands.batch(from, from + 2))
    }
    expect(commands.stream.publishes).toHaveLength(6)
    await commands.write(1)
    await (await commands.owner()).takeAll()
    expect(commands.stream.ids).toHaveLength(7)
  })

  test('what lies in the stream in another order than on the log is found too, operator by operator', async () => {
    const commands = await Commands.begin()
    await commands.write(4, 2)
    const a = await commands.owner()
    const { records, next } = await commands.batch(0)
    const ofSecond = records.filter(({ key }) => key?.toString() !== OPERATOR)
    await a.partition.handle({
      ...AT,
      records: [...ofSecond, ...records.filter((one) => !ofSecond.includes(one))],
      next,
    })
    commands.nowMs += 11 * MINUTE_MS
    for (let from = 0; from < 4; from += 1) {
      const owner = await commands.owner()
      await owner.take(await commands.batch(from, from + 1))
    }
    expect(commands.stream.ids).toHaveLength(4)
  })

  test('a resend whose answer was lost is looked up too when it comes after the window', async () => {
    const commands = await Commands.begin()
    const owner = await commands.owner()
    await commands.write(2)
    const batch = await commands.batch(0)
    commands.stream.fail('reply lost')
    await expect(owner.partition.handle(batch)).rejects.toThrow('did not acknowledge')
    commands.nowMs += 11 * MINUTE_MS
    await owner.take(batch)
    expect(commands.stream.ids).toHaveLength(2)
    expect(unique(commands.stream.ids)).toHaveLength(2)
  })

  test('the mark of a partition is seen although another partition holds readers back', async () => {
    const commands = await Commands.begin()
    const a = await commands.owner()
    const other = commands.log.begin('another partition')
    other.write([{ ...MARKS_AT, key: 'another', value: null, timestamp: 1 }])
    await commands.write(3)
    await a.takeAll()
    await commands.log.admin.moveCursors(GROUP, [{ ...AT, next: 0, metadata: '' }])
    commands.nowMs += 11 * MINUTE_MS
    await expect(commands.owner()).rejects.toMatchObject({ code: 'retriable' })
    other.commit()
    await (await commands.owner()).takeAll()
    expect(commands.stream.publishes).toHaveLength(3)
  })
})

describe('[P4] fault R6b: a bridge that was frozen for ten minutes', () => {
  test('does not go on publishing when it wakes: the log fences it first', async () => {
    const commands = await Commands.begin()
    const frozen = await commands.owner()
    await commands.write(4)
    const batch = await commands.batch(0)
    commands.stream.fail('stored', 'lost')
    await expect(frozen.partition.handle(batch)).rejects.toThrow('did not acknowledge')
    await (await commands.owner()).takeAll()
    commands.nowMs += 10 * MINUTE_MS
    const before = commands.stream.publishes.length
    await expect(frozen.partition.handle(batch)).rejects.toMatchObject(fenced)
    await expect(frozen.commit(batch)).rejects.toMatchObject(fenced)
    expect(commands.stream.publishes).toHaveLength(before)
    expect(unique(commands.stream.ids)).toHaveLength(commands.stream.ids.length)
  })

  test('does not publish what it was about to: the proof of ownership is too old', async () => {
    const commands = await Commands.begin()
    const frozen = await commands.owner()
    await commands.write(2)
    const batch = await commands.batch(0)
    commands.stream.beforeLeaving = async () => {
      commands.nowMs += OWNERSHIP_MS_MAX + 1
    }
    await expect(frozen.partition.handle(batch)).rejects.toBeInstanceOf(StaleOwnership)
    expect(commands.stream.publishes).toEqual([])
    commands.stream.beforeLeaving = () => Promise.resolve()
    await frozen.take(batch)
    expect(commands.stream.ids).toHaveLength(2)
  })

  test('is told by the stream when it is behind, and asks the log', async () => {
    const commands = await Commands.begin()
    const frozen = await commands.owner()
    await commands.write(1)
    await frozen.takeAll()
    const next = await commands.owner()
    await commands.write(2)
    await next.take(await commands.batch(1, 2))
    const batch = await commands.batch(1)
    commands.nowMs += 1
    const others = { ...batch, records: batch.records.slice(1) }
    await expect(frozen.partition.handle(others)).rejects.toBeInstanceOf(SubjectMoved)
    await expect(frozen.partition.handle(others)).rejects.toMatchObject(fenced)
    expect(commands.stream.ids).toHaveLength(2)
  })

  test('what it had handed over before it froze is not taken when it leaves after the next owner', async () => {
    const commands = await Commands.begin()
    const frozen = await commands.owner()
    await commands.write(3)
    commands.stream.fail('stored', 'late')
    await expect(frozen.partition.handle(await commands.batch(0))).rejects.toThrow('did not acknowledge')
    commands.nowMs += 10 * MINUTE_MS
    await (await commands.owner()).takeAll()
    commands.nowMs += 11 * MINUTE_MS
    commands.stream.letThrough()
    expect(commands.stream.ids).toHaveLength(3)
    await commands.write(1)
    await (await commands.owner()).takeAll()
    expect(unique(commands.stream.ids)).toHaveLength(4)
  })

  test('what arrives between the look into the stream and the publish harms nothing', async () => {
    const commands = await Commands.begin()
    const frozen = await commands.owner()
    await commands.write(2)
    const batch = await commands.batch(0)
    commands.stream.fail('late')
    await expect(frozen.partition.handle(batch)).rejects.toThrow('did not acknowledge')
    commands.nowMs += 11 * MINUTE_MS
    const next = await commands.owner()
    commands.stream.beforeLeaving = async () => commands.stream.letThrough()
    await next.take(batch)
    expect(commands.stream.ids).toHaveLength(2)
  })

  test.each([
    ['a new generation', (commands: Commands) => commands.nowMs],
    ['a clock that was set back', (commands: Commands) => (commands.nowMs -= MINUTE_MS)],
    ['a quiet time', (commands: Commands) => (commands.nowMs += OWNERSHIP_MS_MAX + 1)],
  ])('proves the ownership again after %s', async (_, passes) => {
    const commands = await Commands.begin()
    const a = await commands.owner()
    await commands.write(1)
    await a.takeAll()
    await commands.owner()
    await commands.write(1)
    passes(commands)
    a.partition.doubt()
    await expect(a.takeAll()).rejects.toMatchObject(fenced)
    expect(commands.stream.ids).toHaveLength(1)
  })

  test('fault R6c: its lower mark never wins, also after compaction', async () => {
    const commands = await Commands.begin()
    const zombie = await commands.owner()
    await commands.write(3)
    const early = await commands.batch(0, 2)
    await zombie.partition.handle(early)
    await (await commands.owner()).takeAll()
    await expect(zombie.commit(early)).rejects.toMatchObject(fenced)
    commands.log.compact(MARKS_AT.topic)
    expect((await markOf(commands))?.acknowledged).toBe(2)
  })
})

describe('fault R2: the marks of a bridge count in one topic', () => {
  test('every command of a topic that was made again is published, though its times are old', async () => {
    const commands = await Commands.begin()
    await commands.write(5)
    await (await commands.owner()).takeAll()
    await commands.log.admin.deleteTopics([AT.topic])
    await ensureTopics(commands.log)
    commands.madeAgain += 1
    commands.nowMs -= 5 * MINUTE_MS
    await commands.write(3)
    await (await commands.owner()).takeAll()
    expect(commands.stream.ids).toHaveLength(8)
    expect(await markOf(commands)).toMatchObject({ acknowledged: 2, topicId: `${AT.topic}-1` })
  })

  test('new commands at offsets that the log has lost are newer than the mark: they are published', async () => {
    const commands = await Commands.begin()
    await commands.write(5)
    await (await commands.owner()).takeAll()
    await commands.log.admin.deleteTopics([AT.topic])
    await ensureTopics(commands.log)
    commands.nowMs += 1
    await commands.write(3)
    await (await commands.owner()).takeAll()
    expect(commands.stream.ids).toHaveLength(8)
  })
})

describe('[P8] fault R6d: a partition with a past and without a mark', () => {
  test('publishes nothing while it has a cursor, wherever that stands', async () => {
    const commands = await wiped()
    await commands.log.admin.moveCursors(GROUP, [{ ...AT, next: 0, metadata: '' }])
    await expect(commands.owner()).rejects.toBeInstanceOf(UnmarkedHistory)
    expect(commands.stream.publishes).toHaveLength(3)
  })

  test('publishes nothing when records have been dropped from its topic', async () => {
    const commands = await Commands.begin()
    await commands.write(3)
    commands.log.trim(AT, 2)
    await expect(commands.owner()).rejects.toThrow('has no mark on bridge.marks, but it was read before')
  })

  test('publishes nothing when NATS holds commands of its operator, or could have forgotten them', async () => {
    const held = await Commands.begin()
    await held.write(3)
    const earlier = { subject: commandSubject(OPERATOR), messageId: 'earlier', headers: headers() }
    await held.stream.publish({ ...earlier, payload: Buffer.alloc(0) }, () => {})
    await expect((await held.owner()).takeAll()).rejects.toThrow('NATS holds commands')
    const old = await Commands.begin()
    await old.write(3)
    old.nowMs += 25 * 60 * MINUTE_MS
    await expect((await old.owner()).takeAll()).rejects.toThrow('older than what NATS keeps')
    expect([held.stream.publishes.length, old.stream.publishes.length]).toEqual([1, 0])
  })

  test('publishes when somebody has ordered it, and has a mark from then on', async () => {
    const commands = await wiped()
    await commands.log.admin.moveCursors(GROUP, [{ ...AT, next: 0, metadata: '' }])
    await (await commands.owner({ isUnmarkedAllowed: true })).takeAll()
    expect(commands.stream.ids).toHaveLength(6)
    expect((await markOf(commands))?.acknowledged).toBe(2)
    await commands.write(1)
    await (await commands.owner()).takeAll()
    expect(commands.stream.ids).toHaveLength(7)
  })

  test('a new installation needs no order, also when its first commit is lost', async () => {
    const faults: MemoryFaults = {}
    const commands = await Commands.begin(faults)
    await commands.write(2)
    const owner = await commands.owner()
    const batch = await commands.batch(0)
    await owner.partition.handle(batch)
    faults.beforeCommit = () => true
    await expect(owner.commit(batch)).rejects.toBeInstanceOf(LogError)
    delete faults.beforeCommit
    commands.nowMs += 11 * MINUTE_MS
    await owner.partition.open()
    await owner.takeAll()
    expect(commands.stream.ids).toHaveLength(2)
  })
})

describe('[T10] fault C3: a command that NATS refuses for good', () => {
  test('is told to outbound, with the seq of SENT, in the transaction that moves the cursor', async () => {
    const faults: MemoryFaults = {}
    const commands = await Commands.begin(faults)
    const owner = await commands.owner()
    await commands.write(2)
    commands.stream.fail('refused')
    const batch = await commands.batch(0)
    await owner.partition.handle(batch)
    expect(await commands.refusals()).toEqual([])
    faults.commitRefused = () => true
    await expect(owner.commit(batch)).rejects.toBeInstanceOf(LogError)
    delete faults.commitRefused
    await owner.commit(batch)
    const refusals = await commands.refusals()
    expect(refusals).toMatchObject([{ seq: 4, reason: 'larger than max_payload' }])
    expect(refusals[0]?.command.messageId).toBe(refusals[0]?.messageId)
    expect([commands.stream.ids.length, await commands.cursor()]).toEqual([1, 2])
  })

  test('is not told of again when the group is reset', async () => {
    const commands = await Commands.begin()
    await commands.write(1)
    commands.stream.fail('refused')
    await (await commands.owner()).takeAll()
    await commands.log.admin.moveCursors(GROUP, [{ ...AT, next: 0, metadata: '' }])
    await (await commands.owner()).takeAll()
    expect(await commands.refusals()).toHaveLength(1)
    expect(commands.stream.publishes).toHaveLength(1)
  })
})
