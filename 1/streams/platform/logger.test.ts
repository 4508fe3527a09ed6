import { context, trace } from '@opentelemetry/api'
import { NodeSDK, tracing } from '@opentelemetry/sdk-node'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  createLogger,
  describeError,
  type Logger,
  type LogFields,
  maskDigits,
  silentLogger,
} from './logger.ts'

const Line = z.record(z.string(), z.unknown())
type Line = z.infer<typeof Line>

/** What a log with this level writes while `act` runs. */
function written(act: (logger: Logger) => void, level = 'debug'): Line[] {
  const lines: Line[] = []
  const destination = { write: (text: string) => void lines.push(Line.parse(JSON.parse(text))) }
  act(createLogger({ service: 'sinks', level, destination }))
  return lines
}

const fieldsWritten = (fields: LogFields): Line => written((logger) => logger.info('tested', fields))[0] ?? {}

const messageId = '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7'
const number = '+447700900123'

describe('a line', () => {
  it('is one JSON object with level, time, service and event', () => {
    const [line] = written((logger) => logger.warn('dlr.orphaned', { attempt: 2 }))
    expect(line).toEqual({
      level: 'warn',
      time: line?.['time'],
      service: 'sinks',
      event: 'dlr.orphaned',
      attempt: 2,
    })
    expect(line?.['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  it('carries no field outside the allow-list, also when an object brings more than its type says', () => {
    const record = { messageId, to: number, from: 'GHASI', body: 'Your code is 4711', metadata: { a: 'b' } }
    const line = fieldsWritten(record)
    expect(Object.keys(line).sort()).toEqual(['event', 'level', 'messageId', 'service', 'time'])
  })

  it('DAT-10 shows a message id with the prefix that only logs know', () => {
    expect(fieldsWritten({ messageId })).toMatchObject({ messageId: `msg_${messageId}` })
    expect(fieldsWritten({ attempt: 1 })).not.toHaveProperty('messageId')
  })
})

describe('DLR-011.2 a phone number', () => {
  const digits = fc.stringMatching(/^\d{8,15}$/)
  const around = fc.stringMatching(/^[a-zA-Z ,.:;()+"'-]{0,12}$/)

  it('is masked wherever it stands in a text', () => {
    fc.assert(
      fc.property(around, digits, around, (before, run, after) => {
        const line = JSON.stringify(fieldsWritten({ reason: `${before}${run}${after}` }))
        expect(line).not.toContain(run)
        expect(line).toContain('[masked]')
      }),
    )
  })

  it('is masked in the message of an error and of its text forms', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[1-9]\d{7,14}$/), (run) => {
        for (const error of [
          new Error(`no route to +${run}`),
          new TypeError(run),
          `thrown ${run}`,
          Number(run),
        ])
          expect(JSON.stringify(fieldsWritten({ error }))).not.toContain(run)
      }),
    )
  })

  it('is masked in the paths of a schema failure', () => {
    expect(fieldsWritten({ paths: ['to', `metadata.${number}`] })['paths']).toEqual([
      'to',
      'metadata.[masked]',
    ])
  })

  it('leaves no digits over when a run is longer than any number', () => {
    expect(maskDigits('at 12345678901234567890.')).toBe('at [masked].')
  })

  it('leaves short runs alone: codes, ports and counts are wanted', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z ]\d{1,7}[a-z ]$/), (text) => {
        expect(maskDigits(text)).toBe(text)
      }),
    )
  })

  it('leaves ids intact, whatever digits they have', () => {
    const ids = {
      tenantId: '11111111-1111-4111-8111-111111111111',
      accountId: '22222222-2222-4222-8222-222222222222',
      operatorId: '33333333-3333-4333-8333-333333333333',
      operatorMessageId: '00123456789',
      orphanId: '44444444-4444-5444-8444-444444444444',
      receiptId: '66666666-6666-5666-8666-666666666666',
      requestId: '1234567890',
      subject: 'smpp.operator.33333333-3333-4333-8333-333333333333',
      durable: 'smpp-connector-33333333-3333-4333-8333-333333333333',
      offset: 12_345_678_901,
    }
    expect(fieldsWritten({ messageId: '12345678-1234-4234-8234-123456789012', ...ids })).toMatchObject({
      messageId: 'msg_12345678-1234-4234-8234-123456789012',
      ...ids,
    })
  })
})

describe('an error', () => {
  it('is its type, its code and its masked text, never its stack nor what it carries along', () => {
    const error = Object.assign(new RangeError('out of range'), { code: 'ERANGE', parameters: [number] })
    expect(fieldsWritten({ error })['error']).toEqual({
      type: 'RangeError',
      code: 'ERANGE',
      message: 'out of range',
    })
  })

  it('that is none is named by its type, and cannot break the logging', () => {
    const untold = { type: 'object', message: 'no Error' }
    expect(describeError({ toString: () => 'the body' })).toEqual(untold)
    expect(describeError(Object.create(null))).toEqual(untold)
    expect(describeError(null)).toEqual(untold)
    expect(describeError('refused')).toEqual({ type: 'string', message: 'refused' })
  })
})

describe('DLR-011.3 the trace', () => {
  const sdk = new NodeSDK({
    spanProcessors: [new tracing.SimpleSpanProcessor(new tracing.InMemorySpanExporter())],
    metricReaders: [],
    logRecordProcessors: [],
    autoDetectResources: false,
  })
  beforeAll(() => sdk.start())
  // Pure tests share a process: the next file must find no tracer.
  afterAll(async () => {
    await sdk.shutdown()
    trace.disable()
    context.disable()
  })

  it('is named by traceId and spanId while a span is active, and only then', () => {
    const span = trace.getTracer('test').startSpan('dlr.intake')
    const [before, during, after] = written((logger) => {
      logger.info('before')
      context.with(trace.setSpan(context.active(), span), () => logger.info('during', { attempt: 1 }))
      logger.info('after')
    })
    span.end()

    const { traceId, spanId } = span.spanContext()
    expect(traceId).toMatch(/^[0-9a-f]{32}$/)
    expect(during).toMatchObject({ event: 'during', traceId, spanId })
    for (const line of [before, after]) {
      expect(line).not.toHaveProperty('traceId')
      expect(line).not.toHaveProperty('spanId')
    }
  })
})

function everything(logger: Logger): void {
  logger.debug('debug')
  logger.info('info')
  logger.warn('warn')
  logger.error('error')
}

describe('DLR-011.4 LOG_LEVEL', () => {
  it.each([
    ['trace', ['debug', 'info', 'warn', 'error']],
    ['debug', ['debug', 'info', 'warn', 'error']],
    ['info', ['info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['error', ['error']],
    ['fatal', []],
    ['silent', []],
  ])('%s lets through %j', (level, events) => {
    expect(written(everything, level).map((line) => line['event'])).toEqual(events)
  })

  it('is not even asked by the log that writes nothing', () => {
    expect(() => everything(silentLogger)).not.toThrow()
  })
})
