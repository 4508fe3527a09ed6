import { randomUUID } from 'node:crypto'
import { jetstream, type JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encode } from '../../streams/contracts/decode.ts'
import { commandExample, submitResultExample } from '../../streams/contracts/examples.ts'
import { commandDurable, commandSubject, STREAMS } from '../../streams/contracts/subjects.ts'
import { memoryLog, type MemoryLog } from '../../streams/log/memory.ts'
import { eventIdOf } from '../../streams/domain/event-id.ts'
import { connectNats, type NatsLink } from '../../streams/nats/link.ts'
import { OwnNats } from '../../streams/nats/testing/own-nats.suite.ts'
import { sleep } from '../../streams/platform/backoff.ts'
import { silentLogger, type Logger } from '../../streams/platform/logger.ts'
import { marksOn, UnmarkedDurable } from './durable-start.ts'
import { watchDurables, type DurableWatch } from './durable-watch.ts'
import { durables } from './durables.ts'
import { MARKS_AT } from './outbound/published-marks.ts'
import { provisionNats } from './provision.ts'
import { ensureTopics, eventually, OPERATOR, provisioned } from './testing/scene.suite.ts'

const STREAM = 'SMPP_OUTBOUND'
const DURABLE = commandDurable(OPERATOR)
const OPTIONS = { replicas: 1, operatorIds: [OPERATOR], dlrConcurrency: 10 }

let nats: OwnNats
let nc: NatsConnection
let manager: JetStreamManager
let link: NatsLink
let log: MemoryLog
const watches = new Set<DurableWatch>()
const told: string[] = []
const logger: Logger = { ...silentLogger, error: (event) => told.push(event) }

beforeAll(async () => {
  nats = await OwnNats.start()
  link = connectNats({ url: nats.url, user: 'durables-under-test', logger: silentLogger })
  await link.whenConnected(new AbortController().signal)
})
beforeEach(async () => {
  const made = await provisioned(nats.url)
  nc = made.nc
  manager = made.manager
  log = memoryLog({ schedule: setImmediate })
  await ensureTopics(log)
  told.length = 0
})
afterEach(async () => {
  for (const watch of watches) await watch.close()
  watches.clear()
  for (const { name } of STREAMS) await manager.streams.delete(name)
  await nc.close()
})
afterAll(async () => {
  await link.close()
  await nats.close()
})

function watch(may: 'make' | 'only report' = 'make'): DurableWatch {
  const watching = watchDurables({
    log: log.connect(),
    linkOfStream: () => link,
    provisioning: OPTIONS,
    maker: may === 'make' ? link : undefined,
    logger,
    pollMs: 50,
    now: Date.now,
    sleep,
  })
  watches.add(watching)
  return watching
}

async function stopWatching(): Promise<void> {
  for (const one of watches) await one.close()
  watches.clear()
}

/** Commands of messages that are called by their number. */
async function publish(count: number): Promise<void> {
  const client = jetstream(nc)
  for (let n = 0; n < count; n += 1) {
    const messageId = eventIdOf(`message ${n}`)
    const command = encode({ ...commandExample, messageId })
    await client.publish(commandSubject(OPERATOR), command, { msgID: randomUUID() })
  }
}

/** What the gateway says of one segment of a message. */
async function answer(n: number, segmentIndex: number, totalSegments: number): Promise<void> {
  const result = { ...submitResultExample, messageId: eventIdOf(`message ${n}`), segmentIndex, totalSegments }
  await jetstream(nc).publish('smpp.submit.result', encode(result), { msgID: randomUUID() })
}

/** What the gateway gets next, acknowledged one by one. */
async function take(count: number): Promise<readonly number[]> {
  const consumer = await jetstream(nc).consumers.get(STREAM, DURABLE)
  const sequences: number[] = []
  const messages = await consumer.fetch({ max_messages: count, expires: 1_500 })
  for await (const message of messages) {
    sequences.push(message.seq)
    await message.ackAck()
  }
  return sequences
}

const marked = async (): Promise<number | undefined> => {
  const spec = durables(OPTIONS).find(({ name }) => name === DURABLE)
  if (spec === undefined) throw new Error('the operator has no durable')
  return (await marksOn(log)(spec))?.acknowledged
}

const untilMarked = (sequence: number): Promise<void> =>
  eventually(async () => expect(await marked()).toBe(sequence))

const untilMade = (): Promise<void> =>
  eventually(async () => {
    await manager.consumers.info(STREAM, DURABLE)
  })

describe('[P4] fault R6d: a durable of commands that NATS has lost', () => {
  test('begins after its mark when it is made again, without a restart, and delivers nothing twice', async () => {
    watch()
    await publish(6)
    expect(await take(4)).toEqual([1, 2, 3, 4])
    await untilMarked(4)
    await manager.consumers.delete(STREAM, DURABLE)
    await untilMade()
    expect(await take(6)).toEqual([5, 6])
    expect(told).toContain('nats.durable_missing')
  })

  test('delivers nothing that was done beyond its mark, in whichever order: the results tell', async () => {
    await publish(5)
    watch()
    await untilMarked(0)
    await stopWatching()
    const consumer = await jetstream(nc).consumers.get(STREAM, DURABLE)
    const messages = await consumer.fetch({ max_messages: 4, expires: 1_500 })
    for await (const message of messages) if (message.seq % 2 === 0) await message.ackAck()
    await answer(1, 1, 1)
    await answer(3, 1, 2)
    await answer(3, 2, 2)
    await answer(4, 2, 2)
    await manager.consumers.delete(STREAM, DURABLE)
    await provisionNats(manager, { ...OPTIONS, marks: marksOn(log) })
    expect(await take(5)).toEqual([1, 3, 5])
  })

  test('begins after its mark also when the provisioner makes it', async () => {
    watch()
    await publish(3)
    await take(2)
    await untilMarked(2)
    await stopWatching()
    await manager.consumers.delete(STREAM, DURABLE)
    await provisionNats(manager, { ...OPTIONS, marks: marksOn(log) })
    expect(await take(3)).toEqual([3])
  })

  test('[P8] is not made without a mark while its stream holds commands, and holds up no other', async () => {
    await publish(2)
    await manager.consumers.delete(STREAM, DURABLE)
    await manager.consumers.delete('OPERATOR_EVENTS', 'ops-health-consumer')
    const provisioning = provisionNats(manager, { ...OPTIONS, marks: marksOn(log) })
    await expect(provisioning).rejects.toBeInstanceOf(UnmarkedDurable)
    await expect(manager.consumers.info(STREAM, DURABLE)).rejects.toThrow('not found')
    await manager.consumers.info('OPERATOR_EVENTS', 'ops-health-consumer')
    watch()
    await eventually(() => expect(told).toContain('nats.durable_unmarked'))
    await provisionNats(manager, { ...OPTIONS, isUnmarkedAllowed: true })
    expect(await take(2)).toEqual([1, 2])
  })

  test('begins at the first message of a stream that was made again: the mark counts in another one', async () => {
    watch()
    await publish(3)
    await take(3)
    await untilMarked(3)
    await stopWatching()
    await manager.streams.delete(STREAM)
    await provisionNats(manager, { ...OPTIONS, operatorIds: [] })
    await publish(2)
    await provisionNats(manager, { ...OPTIONS, marks: marksOn(log) })
    expect(await take(2)).toEqual([1, 2])
  })

  test('a mark never goes back, whatever a durable that somebody else has made says', async () => {
    watch()
    await publish(3)
    await take(3)
    await untilMarked(3)
    await stopWatching()
    await manager.consumers.delete(STREAM, DURABLE)
    await provisionNats(manager, { ...OPTIONS, isUnmarkedAllowed: true })
    watch()
    await take(1)
    await publish(1)
    await manager.consumers.delete('OPERATOR_EVENTS', 'ops-health-consumer')
    await eventually(async () => {
      await manager.consumers.info('OPERATOR_EVENTS', 'ops-health-consumer')
    })
    expect(await marked()).toBe(3)
    log.compact(MARKS_AT.topic)
    expect(await marked()).toBe(3)
  })
})

describe('fault R14: a durable that is missing while the bridges run', () => {
  test('is made again, whichever it is', async () => {
    watch()
    for (const { stream, name } of durables(OPTIONS)) await manager.consumers.delete(stream, name)
    const names = await eventually(async () => {
      const infos = durables(OPTIONS).map(({ stream, name }) => manager.consumers.info(stream, name))
      return (await Promise.all(infos)).map(({ name }) => name)
    })
    expect(names).toEqual(durables(OPTIONS).map(({ name }) => name))
  })

  test('is reported when another program makes durables, and not every time that it is looked for', async () => {
    watch('only report')
    await manager.consumers.delete('SMS_DLR', 'dlr-processor')
    await eventually(() => expect(told).toContain('nats.durable_missing'))
    await publish(1)
    await take(1)
    await untilMarked(1)
    expect(told.filter((event) => event === 'nats.durable_missing')).toHaveLength(1)
    await expect(manager.consumers.info('SMS_DLR', 'dlr-processor')).rejects.toThrow('not found')
  })
})
