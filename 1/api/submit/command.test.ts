import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCommand, timingFaults } from './command.ts'

const nowMs = Date.parse('2026-04-18T10:23:40.000Z')
const good = { to: '+447700900123', from: 'GHASI', body: 'Your code is 4711' }
const parse = (input: unknown) => parseCommand(input, nowMs)

const refusal = (input: unknown) => {
  const parsed = parse(input)
  if (parsed.ok) throw new Error('expected a refusal')
  return { code: parsed.code, paths: parsed.errors.map((fault) => fault.path) }
}

describe('ORC-1.2 the body is validated by schema', () => {
  test('ORC-1.3 a number with punctuation is normalised, the body trimmed, the type defaults to SMS, unknown fields go', () => {
    const parsed = parse({ ...good, to: ' +44 7700 900-123 ', body: ' hi \n', colour: 'red' })
    expect(parsed).toEqual({
      ok: true,
      command: { to: '+447700900123', from: 'GHASI', body: 'hi', messageType: 'SMS' },
      warnings: [{ path: 'colour', message: 'unknown field, ignored' }],
    })
  })

  test('all optional fields are taken, an instant in UTC with milliseconds', () => {
    const given = {
      ...good,
      messageType: 'FLASH_SMS',
      callbackUrl: 'https://example.com/dlr?x=1',
      metadata: { campaignId: 'camp-001' },
      expiresAt: '2026-04-18T14:23:40+02:00',
    }
    const command = { ...given, expiresAt: '2026-04-18T12:23:40.000Z' }
    expect(parse(given)).toEqual({ ok: true, command, warnings: [] })
  })

  test.each([
    ['no object', 'text'],
    ['a list', [good]],
    ['null', null],
    ['undefined', undefined],
  ])('%s is an invalid payload', (_, input) => {
    expect(refusal(input)).toEqual({ code: 'INVALID_PAYLOAD', paths: [''] })
  })

  test.each([
    ['a missing body', { to: good.to, from: good.from }, 'body'],
    ['an empty body', { ...good, body: ' \n ' }, 'body'],
    ['a body that is a number', { ...good, body: 5 }, 'body'],
    ['NUL in the body', { ...good, body: 'a\u0000b' }, 'body'],
    ['half a surrogate pair in the body', { ...good, body: 'a\ud83d' }, 'body'],
    ['a missing sender', { to: good.to, body: good.body }, 'from'],
    ['a sender of 12 letters', { ...good, from: 'ABCDEFGHIJKL' }, 'from'],
    ['an unknown type', { ...good, messageType: 'MMS' }, 'messageType'],
    ['an http callback', { ...good, callbackUrl: 'http://example.com' }, 'callbackUrl'],
    [
      'a callback over 2048',
      { ...good, callbackUrl: `https://example.com/${'x'.repeat(2048)}` },
      'callbackUrl',
    ],
    ['21 metadata entries', { ...good, metadata: entries(21) }, 'metadata'],
    ['a metadata key of 65', { ...good, metadata: { ['k'.repeat(65)]: 'v' } }, 'metadata'],
    ['a metadata value of 257', { ...good, metadata: { k: 'v'.repeat(257) } }, 'metadata'],
    ['a metadata number', { ...good, metadata: { k: 1 } }, 'metadata'],
    ['an expiry that is no instant', { ...good, expiresAt: 'tomorrow' }, 'expiresAt'],
    ['a sendAt that is no instant', { ...good, sendAt: 1776507820000 }, 'sendAt'],
    ['a sendAt without a zone', { ...good, sendAt: '2026-04-18T12:00:00' }, 'sendAt'],
  ])('%s is an invalid payload that names the field', (_, input, path) => {
    expect(refusal(input)).toEqual({ code: 'INVALID_PAYLOAD', paths: [path] })
  })

  test('the limits themselves are allowed', () => {
    const input = {
      ...good,
      from: 'ABCDEFGHIJK',
      body: 'x'.repeat(1600),
      metadata: { ...entries(19), ['k'.repeat(64)]: 'v'.repeat(256) },
      expiresAt: '2026-04-20T10:23:40.000Z',
    }
    expect(parse(input).ok).toBe(true)
  })
})

test.each([
  ['now', '2026-04-18T10:23:40.000Z', 1],
  ['a moment ahead', '2026-04-18T10:23:40.001Z', 0],
  ['48 hours ahead', '2026-04-20T10:23:40.000Z', 0],
  ['more than 48 hours ahead', '2026-04-20T10:23:40.001Z', 1],
])('fault A7: an expiry %s is judged apart from the body', (_, expiresAt, faults) => {
  expect(parse({ ...good, expiresAt }).ok).toBe(true)
  expect(timingFaults({ expiresAt }, nowMs)).toHaveLength(faults)
})

test.each([
  ['now', { sendAt: '2026-04-18T10:23:40.000Z' }, ['sendAt']],
  ['yesterday', { sendAt: '2026-04-17T10:23:40.000Z' }, ['sendAt']],
  ['a moment ahead', { sendAt: '2026-04-18T10:23:40.001Z' }, []],
  ['7 days ahead', { sendAt: '2026-04-25T10:23:40.000Z' }, []],
  ['more than 7 days ahead', { sendAt: '2026-04-25T10:23:40.001Z' }, ['sendAt']],
  [
    'with its expiry',
    { sendAt: '2026-04-19T10:00:00.000Z', expiresAt: '2026-04-19T10:00:00.000Z' },
    ['expiresAt'],
  ],
  ['before its expiry', { sendAt: '2026-04-19T10:00:00.000Z', expiresAt: '2026-04-19T10:00:00.001Z' }, []],
  ['48 h before it', { sendAt: '2026-04-24T10:00:00.000Z', expiresAt: '2026-04-26T10:00:00.000Z' }, []],
  [
    'longer before it',
    { sendAt: '2026-04-24T10:00:00.000Z', expiresAt: '2026-04-26T10:00:00.001Z' },
    ['expiresAt'],
  ],
])('[SM8] [SM7] a sendAt %s is judged apart from the body, and expiresAt from it', (_, times, paths) => {
  expect(parse({ ...good, ...times }).ok).toBe(true)
  expect(timingFaults(times, nowMs).map(({ path }) => path)).toEqual(paths)
})

test('[SM8] a sendAt is taken in UTC, and its fault is told beside the others', () => {
  expect(parse({ ...good, sendAt: '2026-04-18T14:23:40+02:00' })).toMatchObject({
    command: { sendAt: '2026-04-18T12:23:40.000Z' },
    warnings: [],
  })
  const sendAt = '2026-04-17T10:23:40.000Z'
  expect(refusal({ ...good, to: '12', sendAt, expiresAt: 'x' })).toEqual({
    code: 'INVALID_PAYLOAD',
    paths: ['to', 'expiresAt', 'sendAt'],
  })
})

describe('PLT-8 the special codes', () => {
  test('INVALID_DESTINATION when only `to` fails, whatever is wrong with it', () => {
    for (const to of ['12', '+44', 'abc', '', 5, null, undefined])
      expect(refusal({ ...good, to })).toEqual({ code: 'INVALID_DESTINATION', paths: ['to'] })
  })

  test('SMS_BODY_TOO_LONG when only the length fails, after trimming', () => {
    expect(refusal({ ...good, body: 'x'.repeat(1601) })).toEqual({
      code: 'SMS_BODY_TOO_LONG',
      paths: ['body'],
    })
    expect(parse({ ...good, body: ` ${'x'.repeat(1600)} ` }).ok).toBe(true)
  })

  test('INVALID_PAYLOAD when something else fails too, with every fault', () => {
    const tooLong = 'x'.repeat(1601)
    expect(refusal({ ...good, to: '12', body: tooLong })).toEqual({
      code: 'INVALID_PAYLOAD',
      paths: ['to', 'body'],
    })
    const expired = '2026-04-18T10:23:39.000Z'
    expect(refusal({ ...good, to: '12', expiresAt: expired })).toEqual({
      code: 'INVALID_PAYLOAD',
      paths: ['to', 'expiresAt'],
    })
    expect(refusal({ ...good, body: tooLong, expiresAt: expired }).code).toBe('INVALID_PAYLOAD')
  })

  test('no fault holds what was sent', () => {
    const marker = '4477009001'
    const input = {
      to: `${marker}x`,
      from: `${marker}${marker}${marker}`,
      body: `${marker}\u0000`,
      messageType: marker,
      callbackUrl: `http://${marker}`,
      metadata: { [marker]: 5, [marker.repeat(10)]: 'v' },
      expiresAt: marker,
    }
    const parsed = parse(input)
    expect(parsed.ok).toBe(false)
    expect(JSON.stringify(parsed)).not.toContain(marker)
  })
})

test('whatever is sent, the answer is a command or faults, never an exception', () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.record({ to: fc.string(), body: fc.jsonValue() })), (input) => {
      const parsed = parse(input)
      expect(parsed.ok || parsed.errors.length > 0).toBe(true)
    }),
  )
})

test('a __proto__ member is dropped and pollutes nothing', () => {
  const json =
    '{"to":"+447700900123","from":"GHASI","body":"x","metadata":{"__proto__":{"a":"b"},"k":"v"},"__proto__":{"c":1}}'
  expect(parse(JSON.parse(json))).toMatchObject({ ok: true, command: { metadata: { k: 'v' } } })
  expect(Reflect.get({}, 'a')).toBeUndefined()
  expect(Reflect.get({}, 'c')).toBeUndefined()
})

function entries(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']))
}
