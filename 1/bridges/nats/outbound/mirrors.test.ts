import { expect, it } from 'vitest'
import { encode } from '../../../streams/contracts/decode.ts'
import { statusExample } from '../../../streams/contracts/examples.ts'
import { memoryLog } from '../../../streams/log/memory.ts'
import { LogError, type LogClient } from '../../../streams/log/port.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { createLogger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import { bridgeInstruments } from '../../instruments.ts'
import { ensureTopics } from '../testing/scene.suite.ts'
import { deadLetters } from './dead-letters.ts'
import { mirrorOutbound } from './mirrors.ts'

const WITHIN = { timeout: 30_000 }
const TOPIC = 'sms.events.status'

/** Partition 0 of status events cannot be read. */
const damaged = (log: LogClient): LogClient => ({
  ...log,
  consumer: (options) =>
    log.consumer({
      ...options,
      onRecords: (at, records, next) =>
        at.topic === TOPIC && at.partition === 0
          ? options.onStopped?.(at, new LogError('fatal', 'a damaged batch'))
          : options.onRecords(at, records, next),
    }),
})

it('fault R4: a partition that cannot be read makes the bridge unready, and the others go on', {
  timeout: 60_000,
}, async () => {
  const log = memoryLog()
  await ensureTopics(log)
  const lines: string[] = []
  const published: string[] = []
  const outbound = mirrorOutbound({
    log: damaged(log.connect()),
    linkOf: () => {
      throw new Error('no link is used')
    },
    publisherOf: () => ({
      publish: async ({ messageId }) => {
        published.push(messageId)
        return { kind: 'stored', duplicate: false, sequence: published.length }
      },
    }),
    publishedOf: () => ({ last: async () => 0, beyond: async () => new Map() }),
    deadLetters: deadLetters(log, log.writer(), () => 0),
    instruments: bridgeInstruments(new Metrics(), () => true),
    logger: createLogger({
      service: 'bridges',
      level: 'info',
      destination: { write: (line: string) => void lines.push(line) },
    }),
    now: () => 1_000,
    sleep: (_, signal) => sleep(1, signal),
    random: () => 0.5,
    onFailed: () => {},
  })
  await expect.poll(() => outbound.isWell(), WITHIN).toBe(true)
  await log.writer().write(
    [0, 1].map((partition) => ({
      topic: TOPIC,
      partition,
      key: 'key',
      value: encode(statusExample),
      timestamp: 1,
    })),
  )
  await expect.poll(() => outbound.isWell(), WITHIN).toBe(false)
  await expect.poll(() => published.length, WITHIN).toBe(1)
  expect(lines.some((line) => line.includes('bridge.partition_stopped'))).toBe(true)
  await outbound.close()
})
