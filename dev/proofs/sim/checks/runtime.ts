import { createHash } from 'node:crypto'
import { z } from 'zod'
import { TOPICS } from '../../../../streams/contracts/catalogue.ts'
import { decode } from '../../../../streams/contracts/decode.ts'
import { TopicDeadLetter } from '../../../../streams/contracts/dead-letter.ts'
import { deadLetterTopicOf, type Topic } from '../../../../streams/contracts/topic.ts'
import { changelogTopicOf, MARKS_STORE } from '../../../../streams/dsl/topology.ts'
import { isReplayed, type LogRecord } from '../../../../streams/log/port.ts'
import { partitionOf } from '../../../../streams/log/partitioner.ts'
import { storeOf } from '../../../../streams/runtime/store/mark-rows.ts'
import type { Store, StoredTimer } from '../../../../streams/runtime/store/store.ts'
import { Identified } from './ids.ts'
import { sameTexts, type Complain } from '../readings.ts'
import { FLOODED_ID } from '../traffic.ts'
import type { World } from '../world.ts'

/** What the runtime guarantees whatever the topologies mean (ARCHITECTURE.md, section 4). */
export async function checkRuntime(
  world: World,
  complain: Complain,
  rows: 'kept' | 'forgotten' = 'kept',
): Promise<void> {
  const open = world.log.openTransactions()
  if (open.length > 0) complain(`transactions are open: ${open.map((one) => one.transactionalId).join(' ')}`)
  // What is read again without its row may say something else.
  if (rows === 'kept') checkRecords(world, complain)
  checkDeadLetters(world, complain)
  for (const topology of world.topologies) {
    for (let partition = 0; partition < world.partitions; partition += 1) {
      for (const store of topology.stores)
        await checkStore(world, { topology: topology.name, partition, store }, complain)
    }
  }
}

/** Topics that no topology reads or writes. */
const OTHERS = ['operator.health', 'bridge.marks', 'bridge.deadletter']
/**
 * Inputs may come twice, and what is derived without state from an input that comes twice does so
 * too.
 */
const REPEATED = [
  'sms.outbound.request',
  'sms.outbound.cancel',
  'smpp.submit.result',
  'sms.dlr.inbound',
  'dlr.sent',
  'operator.samples',
  // Of a window that is long over, when its samples come again.
  'operator.quality',
]

/**
 * Each event once, where its key says, and none marked as replayed while nobody has moved a cursor.
 */
function checkRecords(world: World, complain: Complain): void {
  for (const topic of TOPICS) {
    if (OTHERS.includes(topic.name)) continue
    const records = world.log.dump(topic.name)
    for (const record of records) checkPlace(world, record, complain)
    if (!REPEATED.includes(topic.name)) checkOnce(topic, records, complain)
  }
}

function checkPlace(world: World, record: LogRecord, complain: Complain): void {
  // What is written where a partition was cut back, before that is noticed, counts as read again
  // (ADR 0033).
  const mayBeReplayed = world.replays.count > 0 || world.losses.count > 0
  if (isReplayed(record.headers) && !mayBeReplayed) complain(`${placeOf(record)} is marked as replayed`)
  if (
    record.key === null
      ? !isUnreadable(record)
      : partitionOf(record.key, world.partitions) !== record.partition
  )
    complain(`${placeOf(record)} lies in a partition that its key does not name`)
}

/** A bridge finds no key in what it cannot read [EV58]. */
function isUnreadable({ topic: name, value }: LogRecord): boolean {
  const topic = TOPICS.find((one) => one.name === name)
  return topic !== undefined && !decode(topic, value).ok
}

function checkOnce(topic: Topic<unknown>, records: readonly LogRecord[], complain: Complain): void {
  const seen = new Map<string, string>()
  for (const record of records) {
    const read = decode(topic, record.value)
    if (!read.ok) {
      complain(`${placeOf(record)} does not fit its schema`)
      continue
    }
    if (topic.key(read.value) !== record.key?.toString('utf8'))
      complain(`${placeOf(record)} has a foreign key`)
    const { eventId } = Identified.parse(read.value)
    const value = record.value?.toString('utf8') ?? ''
    // Beyond what is remembered of one id the same may be said again.
    if (value.includes(FLOODED_ID)) continue
    const said = seen.get(eventId)
    if (isReplayed(record.headers)) checkRepetition(record, said, complain)
    else if (said !== undefined) complain(`${placeOf(record)} repeats event ${eventId}`)
    else seen.set(eventId, value)
  }
}

/** [P2]: a record that is read again yields what it yielded at first, byte for byte. */
function checkRepetition(record: LogRecord, said: string | undefined, complain: Complain): void {
  const value = record.value?.toString('utf8')
  if (said === undefined)
    complain(`${placeOf(record)} is marked as replayed, but was never said before: ${value}`)
  else if (value !== said)
    complain(`${placeOf(record)} says ${value} when read again, and said ${said} at first`)
}

const placeOf = ({ topic, partition, offset }: LogRecord): string => `${topic}:${partition}:${offset}`

/** Each unreadable input once, with its bytes and its place. */
function checkDeadLetters(world: World, complain: Complain): void {
  for (const topic of world.topologies.flatMap((topology) => topology.inputs)) {
    const unread = new Set(world.losses.unread().map(placed))
    const all = world.log.dump(topic.name).filter(({ value }) => !decode(topic, value).ok)
    const expected = all.map(placed).filter((text) => !unread.has(text))
    const letters = world.log
      .dump(deadLetterTopicOf(topic.name))
      .filter((record) => !isReplayed(record.headers))
    const dead = letters.map((record) => {
      const value: unknown = JSON.parse(record.value?.toString('utf8') ?? 'null')
      const { sourcePartition, sourceOffset, payloadBase64, payloadBytes } = TopicDeadLetter.parse(value)
      const bytes = Buffer.from(payloadBase64, 'base64')
      return `${topic.name}:${sourcePartition}:${sourceOffset} ${told(bytes, payloadBytes ?? bytes.length)}`
    })
    const sure = dead.filter((text) => !unread.has(text))
    sameTexts(complain, `dead letters of ${topic.name}`, expected, sure)
  }
}

const placed = (record: LogRecord): string =>
  `${placeOf(record)} ${told(record.value ?? Buffer.alloc(0), record.value?.length ?? 0)}`

/** A dead letter has the first bytes of what is larger than this, and says how many there were. */
const DEAD_LETTER_BYTES_MAX = 512 * 1024

function told(payload: Buffer, bytes: number): string {
  const kept = payload.subarray(0, DEAD_LETTER_BYTES_MAX)
  return `${bytes} bytes ${createHash('sha256').update(kept).digest('hex')}`
}

interface Place {
  readonly topology: string
  readonly partition: number
  readonly store: string
}

/** The store of the task's owner holds exactly what its changelog says, its timers included. */
async function checkStore(
  world: World,
  { topology, partition, store }: Place,
  complain: Complain,
): Promise<void> {
  const name = `${topology}.${partition}`
  const changelog = new Map<string, string | undefined>()
  for (const record of world.log.dump(changelogTopicOf(topology, store))) {
    if (record.partition === partition)
      changelog.set(record.key?.toString('utf8') ?? '', record.value?.toString('utf8'))
  }
  const [owner] = world.machines.owners(topology, partition)
  const kept = owner?.disk.find(name)
  if (kept === undefined) return complain(`${name} has no store`)
  // Marks travel in the changelog of the first store; the one of their own is of former versions.
  const stores = store === MARKS_STORE ? [] : [store, MARKS_STORE]
  const stored = stores.flatMap((one) =>
    [...kept.keys].filter((key) => key.startsWith(`${one}\0`)).map((key) => key.slice(one.length + 1)),
  )
  for (const key of new Set([...changelog.keys(), ...stored])) {
    const there = kept.store.get(storeOf(store, key), key)
    if (there !== changelog.get(key))
      complain(`${name}: row ${key} of ${store} is ${there}, changelog ${changelog.get(key)}`)
  }
  if (store !== MARKS_STORE) await checkTimers(name, store, changelog, kept.store, complain)
}

const Timed = z.object({ timers: z.record(z.string(), z.number()).optional() })

const idOf = (timer: StoredTimer): string => `${timer.store} ${timer.timer} ${timer.key} ${timer.dueMs}`

/**
 * Every timer of a row is in the index. An index entry without a row is only a hint, and dropped
 * when it comes due.
 */
async function checkTimers(
  name: string,
  store: string,
  rows: ReadonlyMap<string, string | undefined>,
  local: Store,
  complain: Complain,
): Promise<void> {
  const all = await local.dueTimers(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  const index = new Set(all.map(idOf))
  for (const [key, encoded] of rows) {
    if (encoded === undefined || storeOf(store, key) !== store) continue
    for (const [timer, dueMs] of Object.entries(Timed.parse(JSON.parse(encoded)).timers ?? {})) {
      const id = idOf({ store, timer, key, dueMs })
      if (!index.has(id)) complain(`${name}: timer ${id} stands in its row but nothing will fire it`)
    }
  }
}

/** After all lifetimes nothing is left but marks, and no timer. */
export async function checkNothingLeft(world: World, complain: Complain): Promise<void> {
  for (const { disk, name: machine } of world.machines.all) {
    for (const name of disk.names) {
      const [topology = '', partition] = name.split('.')
      if (!world.machines.owners(topology, Number(partition)).some((owner) => owner.name === machine))
        continue
      const kept = disk.find(name)
      const left = [...(kept?.keys ?? [])].filter(
        (key) => !key.startsWith(`${MARKS_STORE}\0`) && isThere(kept?.store, key),
      )
      if (left.length > 0) complain(`${name} keeps ${left.join(' ')} for ever`)
      const dueMs = await kept?.store.nextDueMs()
      if (dueMs !== Number.POSITIVE_INFINITY) complain(`${name} has a timer left at ${dueMs}`)
    }
  }
}

function isThere(store: Store | undefined, id: string): boolean {
  const [name = '', key = ''] = id.split('\0')
  return store?.get(name, key) !== undefined
}
