import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, idempotencyHash, type JsonValue, requestFingerprint } from './idempotency.ts'

const tenantId = '7d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21'
const accountId = 'b1f7c2aa-93f4-4f0b-a0ce-2f1a9d5e7c33'

describe('ORC-1.4 the idempotency key is hashed with tenant and account', () => {
  test('as hex sha256 of tenant, account and key, with colons', () => {
    // printf %s '7d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21:b1f7c2aa-93f4-4f0b-a0ce-2f1a9d5e7c33:order-42' | sha256sum
    expect(idempotencyHash(tenantId, accountId, 'order-42')).toBe(
      '32c950df51c3c7fc647a86ea9b7c811add153244eaa30a0d099a73a0d7412c99',
    )
  })

  test('fault A4: and is another one for another tenant, account or key', () => {
    const hashes = [
      idempotencyHash(tenantId, accountId, 'order-42'),
      idempotencyHash(tenantId, accountId, 'order-43'),
      idempotencyHash(tenantId, tenantId, 'order-42'),
      idempotencyHash(accountId, accountId, 'order-42'),
    ]
    expect(new Set(hashes).size).toBe(4)
  })
})

describe('ORC-1.10 the request fingerprint', () => {
  test('is sha256 of the JSON with sorted members', () => {
    const command = {
      to: '+447700900123',
      from: 'GHASI',
      metadata: { b: '2', a: '1' },
      callbackUrl: undefined,
    }
    // printf %s '{"from":"GHASI","metadata":{"a":"1","b":"2"},"to":"+447700900123"}' | sha256sum
    expect(requestFingerprint(command)).toBe(
      '53097d39fcbefb892c1daf1b6cf6459d70b3ebf4c4a776ba5b4e4623d965e177',
    )
  })

  test('keeps the order of lists, escapes as JSON does, and tells 1 from "1"', () => {
    expect(canonicalJson([3, '3', null, true, ['\n"é'], {}])).toBe('[3,"3",null,true,["\\n\\"é"],{}]')
  })

  test('refuses a number that JSON would turn to null', () => {
    expect(() => canonicalJson({ ttl: Number.NaN })).toThrow(TypeError)
    expect(() => canonicalJson([Number.POSITIVE_INFINITY])).toThrow(TypeError)
  })

  test('does not depend on the order of members, at any depth', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value))
      }),
    )
  })

  test('is JSON of the same value, so different commands stay different', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })
})

const { jsonValue } = fc.letrec<{ jsonValue: JsonValue }>((tie) => ({
  jsonValue: fc.oneof(
    { maxDepth: 3 },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('jsonValue')),
    fc.dictionary(fc.string(), tie('jsonValue')),
  ),
}))

const isRecord = (value: JsonValue | undefined): value is Readonly<Record<string, JsonValue | undefined>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The same value with its members in the opposite order of insertion. */
function reversed(value: JsonValue): JsonValue {
  if (!isRecord(value)) return value
  const entries = Object.entries(value).toReversed()
  return Object.fromEntries(
    entries.map(([name, member]) => [name, isRecord(member) ? reversed(member) : member]),
  )
}
