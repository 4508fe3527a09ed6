import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { claimOf, judge, parseKey, type StoredReply } from './idempotency.ts'

const accountId = 'b1f7c2aa-93f4-4f0b-a0ce-2f1a9d5e7c33'
const tenantId = '7d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21'
const command = { to: '+447700900123', from: 'GHASI', body: 'hi', messageType: 'SMS' as const }
const claim = claimOf({ tenantId, accountId }, 'order-42', command)
const nowMs = Date.parse('2026-04-18T10:23:40.000Z')

const stored: StoredReply = {
  fingerprint: claim.fingerprint,
  expiresAt: '2026-04-18T10:23:40.001Z',
  reply: {
    messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7',
    status: 'QUEUED',
    segmentCount: 1,
    encoding: 'GSM7',
    enqueuedAt: '2026-04-18T10:23:40.000Z',
  },
}

describe('ORC-1.4 a used key', () => {
  test('with the same content is a replay', () => {
    expect(judge(claim, stored, nowMs)).toBe('replay')
  })

  test('ORC-1.10 with other content is a conflict', () => {
    const other = claimOf({ tenantId, accountId }, 'order-42', { ...command, body: 'ho' })
    expect(other.hash).toBe(claim.hash)
    expect(judge(other, stored, nowMs)).toBe('conflict')
  })

  test('is new again from the instant at which it expires', () => {
    expect(judge(claim, stored, nowMs + 1)).toBe('new')
    expect(judge(claim, undefined, nowMs)).toBe('new')
  })
})

describe('the Idempotency-Key header', () => {
  test('is taken bare or quoted, as the same key', () => {
    expect(parseKey('order-42')).toBe('order-42')
    expect(parseKey('"order-42"')).toBe('order-42')
    expect(parseKey(String.raw`"a\"b\\c"`)).toBe(String.raw`a"b\c`)
  })

  test.each(['', '""', '"open', '"a"b"', String.raw`"a\x"`, 'caf\u00e9', 'a\tb', 'x'.repeat(256)])(
    'is malformed as %j',
    (header) => {
      expect(parseKey(header)).toBeUndefined()
    },
  )

  test('every key of 1 to 255 printable characters survives quoting', () => {
    const printable = fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 255,
    })
    fc.assert(
      fc.property(printable, (key) => {
        expect(parseKey(`"${key.replace(/["\\]/g, '\\$&')}"`)).toBe(key)
        expect(parseKey(`k${key.slice(1)}`)).toBe(`k${key.slice(1)}`)
      }),
    )
  })
})
