import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { encode } from '../../../streams/contracts/decode.ts'
import type { Topic } from '../../../streams/contracts/topic.ts'
import type { LogClient, OutRecord } from '../../../streams/log/port.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import type { Dice } from '../sim/dice.ts'
import { taken, type Scene, type Taken } from './scene.ts'

export interface InputOptions {
  readonly log: LogClient
  readonly brokers: readonly string[]
  readonly scene: Scene
  readonly partitions: number
  readonly perSecond: number
  readonly dice: Dice
  readonly until: AbortSignal
}

const WORDS = 60
const TICK_MS = 50
const GHOSTS_EVERY_MS = 3000
const GHOSTS = 5
const GHOSTS_AGAIN_MS = 500

/**
 * Writes both inputs at a steady rate until `until` aborts, every record with an id of its own;
 * answers how many.
 */
export async function writeInput(options: InputOptions): Promise<number> {
  const { log, perSecond, until } = options
  const writer = log.writer()
  const startedMs = Date.now()
  let written = 0
  for (;;) {
    const due = Math.floor(((Date.now() - startedMs) * perSecond) / 1000)
    const records: OutRecord[] = []
    for (; written < due; written += 1) records.push(record(options, `r${written}`))
    if (records.length > 0) await writer.write(records)
    if (until.aborted) break
    await sleep(TICK_MS)
  }
  await writer.close()
  return written
}

/**
 * Small numbers of words are common ones: some keys are busy, some rest until their timer fires.
 */
function record({ scene, partitions, dice }: InputOptions, id: string): OutRecord {
  const word = `w${Math.floor(WORDS * dice.next() * dice.next())}`
  const topic: Topic<Taken> = dice.chance(0.5) ? scene.left : scene.right
  return {
    topic: topic.name,
    partition: partitionOf(word, partitions),
    key: word,
    value: encode(taken(id, word, dice.int(1, 1000))),
    timestamp: Date.now(),
  }
}

/**
 * Writes records to the inputs that are never committed: nothing may come of them. Answers how
 * many. A producer that fails is replaced; its successor under the same id ends what it left open.
 */
export async function writeGhosts(options: InputOptions): Promise<number> {
  const { brokers, until } = options
  const kafka = new Kafka({ clientId: 'ghosts', brokers: [...brokers], logLevel: logLevel.NOTHING })
  const ghosts = { written: 0 }
  let isOpen = true
  while (isOpen || !until.aborted) isOpen = !(await haunt(kafka, options, ghosts))
  return ghosts.written
}

/** Whether it has ended with nothing open. */
async function haunt(kafka: Kafka, options: InputOptions, ghosts: { written: number }): Promise<boolean> {
  const { scene, until } = options
  const producer = kafka.producer({ transactionalId: `${scene.left.name}-ghosts`, maxInFlightRequests: 1 })
  try {
    await producer.connect()
    do {
      const transaction = await producer.transaction()
      for (let n = 0; n < GHOSTS && !until.aborted; n += 1) {
        const { topic, partition, key, value } = record(options, `ghost${(ghosts.written += 1)}`)
        await transaction.send({ topic, messages: [{ key: textOf(key), value: textOf(value), partition }] })
      }
      await transaction.abort()
      await sleep(GHOSTS_EVERY_MS, undefined, { signal: until }).catch(() => undefined)
    } while (!until.aborted)
    return true
  } catch {
    // A broker has gone under it; kafkajs does not recover.
    await sleep(GHOSTS_AGAIN_MS)
    return false
  } finally {
    await producer.disconnect().catch(() => undefined)
  }
}

const textOf = (given: string | Buffer | null): string => given?.toString() ?? ''
