import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Logger } from '../../../platform/logger.ts'
import { silentLogger } from '../../../platform/logger.ts'
import { ByteWriter } from './byte-writer.ts'
import { framing } from './framing.ts'
import type { Frame } from './framing.ts'
import { armCheck } from './idle-timer.ts'
import type { ThrottledQueue } from './idle-timer.ts'
import { internals } from './internals.ts'
import { kafkajsLogger } from './kafkajs-logger.ts'
import { connectOnce } from './single-connect.ts'
import type { Connecting } from './single-connect.ts'

function queue(pending: readonly unknown[], throttledUntil = -1): ThrottledQueue & { checks: number } {
  const made = {
    throttledUntil,
    throttleCheckTimeoutId: null,
    pending,
    checks: 0,
    checkPendingRequests: () => {
      made.checks += 1
    },
  }
  return made
}

const never: Frame = () => Promise.reject(new Error('copied'))

describe('the idle timer', () => {
  beforeEach(() => vi.useFakeTimers({ now: 1_000 }))
  afterEach(() => vi.useRealTimers())

  it('is not armed when nothing waits', () => {
    armCheck(queue([]))
    expect(vi.getTimerCount()).toBe(0)
  })

  it('looks after what waits for room, once', () => {
    const waiting = queue(['request'])
    armCheck(waiting)
    armCheck(waiting)
    vi.advanceTimersByTime(10)
    expect(waiting.checks).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('looks after what waits for the end of a throttle when that comes', () => {
    const throttled = queue(['request'], 1_250)
    armCheck(throttled)
    vi.advanceTimersByTime(249)
    expect(throttled.checks).toBe(0)
    vi.advanceTimersByTime(1)
    expect(throttled.checks).toBe(1)
  })
})

describe('a connection', () => {
  it('opens one socket for all who find it closed, and another one later', async () => {
    let opened = 0
    const connection: Connecting = {
      connect: async () => {
        opened += 1
        await Promise.resolve()
        if (opened === 1) throw new Error('refused')
      },
    }
    connection.connect = connectOnce(connection)
    const first = await Promise.allSettled([connection.connect(), connection.connect()])
    expect(first.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(opened).toBe(1)
    await Promise.all([connection.connect(), connection.connect()])
    expect(opened).toBe(2)
  })
})

describe('a request', () => {
  const request = { apiKey: 1, apiVersion: 11, apiName: 'Fetch' }

  it('has the header that kafkajs would give it', async () => {
    const { default: original } = await vi.importActual<{ default: Frame }>('kafkajs/src/protocol/request.js')
    const body = new ByteWriter().string('topic').int32(7)
    const copied = { buf: Buffer.from(body.buffer), buffer: Buffer.from(body.buffer) }
    const theirs = await original({
      correlationId: 9,
      clientId: 'us',
      request: { ...request, encode: () => copied },
    })
    const ours = await framing(never)({
      correlationId: 9,
      clientId: 'us',
      request: { ...request, encode: () => body },
    })
    expect(ours.buffer.toString('hex')).toBe(theirs.buffer.toString('hex'))
  })

  it('goes the old way when kafkajs has encoded it, and refuses a client id that has no room', async () => {
    const bytes = { buf: Buffer.from('x'), buffer: Buffer.from('x') }
    const seen: unknown[] = []
    const old: Frame = async (unframed) => {
      seen.push(await unframed.request.encode())
      return bytes
    }
    await framing(old)({ correlationId: 1, clientId: 'us', request: { ...request, encode: () => bytes } })
    expect(seen).toEqual([bytes])
    const unframed = {
      correlationId: 1,
      clientId: 'x'.repeat(300),
      request: { ...request, encode: () => new ByteWriter() },
    }
    await expect(framing(old)(unframed)).rejects.toThrow('the client id takes 300 bytes')
  })
})

describe('kafkajs', () => {
  it('is the version whose inside is known', () => {
    expect(internals().apiKeys).toMatchObject({ Produce: 0, Fetch: 1, InitProducerId: 22 })
  })

  it('logs sentences only: no fields, and nothing about answers that somebody deals with', () => {
    const lines: unknown[] = []
    const logger: Logger = { ...silentLogger, debug: (event, fields) => lines.push([event, fields]) }
    const theirs = kafkajsLogger(logger).namespace('Connection')
    theirs.error('Connection timeout', { broker: 'host', payload: 'secret' })
    theirs.error('Response EndTxn(key: 26, version: 1)', { error: 'concurrent' })
    theirs.info('Connecting')
    expect(lines).toEqual([['log.client', { operation: 'kafkajs Connection', reason: 'Connection timeout' }]])
  })
})
