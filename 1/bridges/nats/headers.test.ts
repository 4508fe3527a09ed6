import { headers as natsHeaders } from '@nats-io/transport-node'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isReplayed } from '../../streams/log/port.ts'
import { toLogHeaders, toNatsHeaders } from './headers.ts'

describe('headers on their way to the log', () => {
  test('everything of NATS stays behind, whatever its case', () => {
    const given = natsHeaders()
    for (const name of ['Nats-Msg-Id', 'nats-rollup', 'NATS-Expected-Stream', 'X-Tenant-Id'])
      given.set(name, 'v')
    expect(toLogHeaders(given, 7)).toEqual({ 'X-Tenant-Id': 'v', 'x-src-seq': '7' })
  })

  test('[P3] nobody outside can mark a message as replayed: its command would never be sent', () => {
    const given = natsHeaders()
    given.set('Replayed', 'true')
    given.set('replayed', '1')
    expect(isReplayed(toLogHeaders(given, 7))).toBe(false)
  })

  test('a sequence that came with the message is not believed', () => {
    const given = natsHeaders()
    given.set('X-Src-Seq', '1')
    expect(toLogHeaders(given, 7)).toEqual({ 'x-src-seq': '7' })
  })

  test('names that differ in case only are one header with all values in order', () => {
    const given = natsHeaders()
    given.append('traceparent', 'a')
    given.append('Traceparent', 'b')
    given.append('traceparent', 'c')
    const { traceparent } = toLogHeaders(given, 1)
    expect(traceparent).toEqual(['a', 'c', 'b'])
  })

  test('a message without headers has its position only', () => {
    expect(toLogHeaders(undefined, 3)).toEqual({ 'x-src-seq': '3' })
  })
})

describe('headers on their way to NATS', () => {
  test('`replayed` becomes `Replayed: true`, once', () => {
    const given = toNatsHeaders({ replayed: '1', 'X-Tenant-Id': Buffer.from('t') })
    expect([...given]).toEqual([
      ['Replayed', ['true']],
      ['X-Tenant-Id', ['t']],
    ])
    expect([isReplayed({ Replayed: 'true' }), isReplayed({ 'X-Replayed': '1' })]).toEqual([true, false])
  })

  test('no header of NATS, no own position, and nothing that its protocol cannot carry', () => {
    const given = toNatsHeaders({
      'nats-rollup': 'all',
      'X-Src-Seq': '9',
      'bad name': 'v',
      'colon:': 'v',
      lines: 'a\r\nNats-Rollup: all',
      kept: ['one', 'two\n', 'three'],
    })
    expect([...given]).toEqual([['kept', ['one', 'three']]])
  })

  test('whatever a record carries, NATS takes the headers and reads none of its own in them', () => {
    const value = fc.oneof(
      fc.string(),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    )
    const names = fc.oneof(fc.string(), fc.constantFrom('Nats-Rollup', 'NATS-MSG-ID', 'a'))
    const given = fc.dictionary(names, fc.oneof(value, fc.array(value, { maxLength: 3 })))
    fc.assert(
      fc.property(given, (record) => {
        const copied = toNatsHeaders(record)
        expect(copied.keys().filter((name) => name.toLowerCase().startsWith('nats-'))).toEqual([])
        const lines = [...copied].flatMap(([, values]) => values).filter((value) => /[\r\n]/.test(value))
        expect(lines).toEqual([])
      }),
    )
  })
})
