import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { connectKafka } from '../../../streams/log/kafka.ts'
import type { LogClient } from '../../../streams/log/port.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { counting, provisionCounting, wordRecord } from '../../../streams/runtime/testing/counting.suite.ts'
import { Member } from './testing/standby-member.suite.ts'

/**
 * How long a task with a large store is without an owner when it moves between processes, over a
 * real broker. Two partitions with `keys` rows each, records coming in all the time. It prints
 * three figures of every move. `takeOverMs`: from the moment at which the former owner got its
 * signal or had given the partition up, to the first commit of the new one. `gapMs`: between the
 * last commit of the one and the first of the other. And how many records of the changelog the new
 * owner has read in between.
 */
const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    bytes: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
})
const keys = Number(values.keys)
const rowBytes = Number(values.bytes)
const PARTITIONS = 2
const BATCH = 5000
const WORD_EVERY_MS = 10

interface Move {
  readonly takeOverMs: number
  readonly gapMs: number
  readonly restored: number
}

const brokers = (process.env['KAFKA_BROKERS'] ?? '').split(',')
const log = connectKafka({ brokers, clientId: 'bench-standby' })
const scene = `bench-${randomUUID().slice(0, 8)}`
const given = counting(scene)
await provisionCounting(log, given, PARTITIONS)
await fill(log, `${given.topology.name}-counts-changelog`)
const folder = await mkdtemp(join(tmpdir(), 'bench-standby-'))
const members: Member[] = []
const talking = new AbortController()
const talk = keepWriting(log, talking.signal)
try {
  const figures = { name: 'standby', keys, rowBytes, ...(await withoutStandbys()), ...(await withStandbys()) }
  console.log(values.json ? JSON.stringify(figures) : figures)
} finally {
  talking.abort()
  await Promise.all(members.map((one) => one.end('SIGKILL')))
  await talk
  await log.close()
  await rm(folder, { recursive: true, force: true })
}

/**
 * A newcomer takes its share at once and restores it, and so does the one that is left. One that
 * comes back finds its store.
 */
async function withoutStandbys() {
  const first = await alone('one', 0)
  const second = start('two', 0)
  const scaleOutCold = await handedOver(first, second)
  const leaveCold = await left(first, second, 'SIGTERM')
  const again = start('one', 0)
  const scaleOutLeftover = await handedOver(second, again)
  await Promise.all([second.end('SIGTERM'), again.end('SIGTERM')])
  return { scaleOutCold, leaveCold, scaleOutLeftover }
}

async function withStandbys() {
  const first = await alone('one', 1)
  const startedMs = Date.now()
  const second = start('three', 1)
  const scaleOutStandby = await handedOver(first, second)
  const warmUpMs = (await second.first('running', 0)).atMs - startedMs
  await warm(first, second)
  const leaveStandby = await left(first, second, 'SIGTERM')
  const third = start('one', 1)
  await handedOver(second, third)
  await warm(second, third)
  const killStandby = await left(second, third, 'SIGKILL')
  await third.end('SIGTERM')
  return { scaleOutStandby, warmUpMs, leaveStandby, killStandby }
}

function start(disk: string, replicas: number): Member {
  const member = new Member({ scene, directory: join(folder, disk), replicas })
  members.push(member)
  return member
}

/** Owns and runs everything. */
async function alone(disk: string, replicas: number): Promise<Member> {
  const member = start(disk, replicas)
  for (let partition = 0; partition < PARTITIONS; partition += 1)
    await member.first('committed', 0, partition)
  return member
}

/** The newcomer gets one partition of the owner. */
async function handedOver(owner: Member, newcomer: Member): Promise<Move> {
  const { partition } = await newcomer.first('running', 0)
  const { atMs } = await owner.first('closed', 0, partition)
  return moved(owner, newcomer, partition, atMs)
}

/** The owner ends, and the other gets the one partition that it had. */
async function left(owner: Member, other: Member, signal: 'SIGTERM' | 'SIGKILL'): Promise<Move> {
  const partition = owner.owned()
  const atMs = Date.now()
  const ended = owner.end(signal)
  const move = await moved(owner, other, partition, atMs)
  await ended
  return move
}

async function moved(from: Member, to: Member, partition: number, sinceMs: number): Promise<Move> {
  const { atMs } = await to.first('committed', sinceMs, partition)
  const restored = to.last('restored', partition)?.records ?? 0
  const gapMs = atMs - (from.last('committed', partition)?.atMs ?? atMs)
  return { takeOverMs: atMs - sinceMs, gapMs, restored }
}

/** Each has a copy of the other's partition that has caught up. */
async function warm(...both: readonly Member[]): Promise<void> {
  const sinceMs = Date.now()
  for (const member of both) await member.first('standby', sinceMs, undefined, 0)
}

async function fill(client: LogClient, topic: string): Promise<void> {
  const writer = client.writer()
  const padding = 'x'.repeat(rowBytes)
  for (let from = 0; from < keys * PARTITIONS; from += BATCH) {
    const records = Array.from({ length: BATCH }, (_, index) => ({
      topic,
      partition: (from / BATCH) % PARTITIONS,
      key: `key-${from + index}`,
      value: JSON.stringify({ state: { count: index, padding } }),
      timestamp: Date.now(),
    }))
    await writer.write(records)
  }
  await writer.close()
}

/** Some words to every partition, so that every task commits all the time. */
async function keepWriting(client: LogClient, signal: AbortSignal): Promise<void> {
  const writer = client.writer()
  for (let n = 0; !signal.aborted; n += 1) {
    await writer.write([wordRecord(given, `word-${n % 50}`, n, PARTITIONS)])
    await sleep(WORD_EVERY_MS)
  }
  await writer.close()
}
