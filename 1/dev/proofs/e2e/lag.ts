import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import type { LogClient } from '../../../streams/log/port.ts'
import { recordsFrom } from '../../committed-records.ts'

/** Where the groups of the platform are, as an operator would look at them: from outside. */
interface Position {
  readonly topic: string
  readonly partition: number
  readonly next: number
}

export async function positionsOf(brokers: string, group: string): Promise<readonly Position[]> {
  const kafka = new Kafka({ clientId: 'lag', brokers: brokers.split(','), logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  try {
    const topics = await admin.fetchOffsets({ groupId: group })
    return topics.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => ({ topic, partition, next: Number(offset) })),
    )
  } finally {
    await admin.disconnect()
  }
}

async function lagOf(log: LogClient, brokers: string, group: string): Promise<number> {
  const positions = await positionsOf(brokers, group)
  const lags = await Promise.all(positions.map((at) => recordsFrom(log, at, at.next)))
  return lags.reduce((sum, lag) => sum + lag, 0)
}

const LOOK_MS = 500
/** One group may set off the next one, so that all must be at rest for some time. */
const QUIET_LOOKS = 4
const WITHIN_MS = 90_000

export async function untilNoLag(log: LogClient, brokers: string, groups: readonly string[]): Promise<void> {
  const deadlineMs = Date.now() + WITHIN_MS
  for (let quiet = 0; quiet < QUIET_LOOKS; ) {
    const lags = await Promise.all(groups.map((group) => lagOf(log, brokers, group)))
    quiet = lags.every((lag) => lag === 0) ? quiet + 1 : 0
    if (Date.now() > deadlineMs)
      throw new Error(`lag is left: ${groups.map((group, at) => `${group} ${lags[at]}`).join(', ')}`)
    await sleep(LOOK_MS)
  }
}
