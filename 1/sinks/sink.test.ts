import { describe, expect, it } from 'vitest'
import { encode } from '../streams/contracts/decode.ts'
import { statusExample } from '../streams/contracts/examples.ts'
import { statusEvents, type StatusEvent } from '../streams/contracts/outbound.ts'
import type { LogRecord } from '../streams/log/port.ts'
import { sink, taking } from './sink.ts'

const record = (offset: number, value: string | null): LogRecord => ({
  topic: statusEvents.name,
  partition: 3,
  offset,
  timestamp: 0,
  key: null,
  value: value === null ? null : Buffer.from(value),
  headers: {},
})

const batch = (...records: readonly LogRecord[]) => ({
  topic: statusEvents.name,
  partition: 3,
  records,
  next: records.length,
})

function scene(write: (values: readonly StatusEvent[]) => Promise<number>) {
  const refused: unknown[] = []
  const stored: number[] = []
  const hooks = {
    unreadable: ({ offset }: LogRecord, reason: string) => void refused.push([offset, reason]),
    written: (_topic: string, records: number) => void stored.push(records),
  }
  return { refused, stored, sink: sink('orch', [taking(statusEvents, hooks, write)]) }
}

describe('a sink', () => {
  it('reads its topics in a group of its own', () => {
    const { sink: orch } = scene(() => Promise.resolve(0))
    expect([orch.group, orch.topics]).toEqual(['sms.sink.orch', ['sms.events.status']])
  })

  it('says which records it cannot read, and stores the others', async () => {
    const taken: StatusEvent[] = []
    const at = scene((values) => Promise.resolve(taken.push(...values)))
    await at.sink.handle(
      batch(record(0, '{'), record(1, encode(statusExample)), record(2, '{"seq":1}'), record(3, null)),
    )
    expect(taken).toEqual([statusExample])
    expect(at.refused.map(String)).toEqual(['0,not_json', expect.stringMatching(/^2,/), '3,not_json'])
    expect(at.stored).toEqual([1])
  })

  it('does not open a transaction for a batch without a readable record', async () => {
    const at = scene(() => Promise.reject(new Error('must not be called')))
    await at.sink.handle(batch(record(0, 'nonsense')))
    expect(at.stored).toEqual([])
  })

  it('hands a failure on, so that the batch is given again', async () => {
    const at = scene(() => Promise.reject(new Error('connection refused')))
    await expect(at.sink.handle(batch(record(0, encode(statusExample))))).rejects.toThrow(
      'connection refused',
    )
    expect(at.stored).toEqual([])
  })
})
