import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { CALLBACK_URL_CHARS_MAX, parseCallbackUrl } from './callback-url.ts'

test.each([
  ['https://example.com', 'https://example.com/'],
  ['HTTPS://Example.COM:443/a/../dlr?x=1#f', 'https://example.com/dlr?x=1#f'],
  ['https://münchen.example/ü', 'https://xn--mnchen-3ya.example/%C3%BC'],
  ['https://8.8.8.8/dlr', 'https://8.8.8.8/dlr'],
  ['https://[2606:4700::1111]/dlr', 'https://[2606:4700::1111]/dlr'],
  ['https://example.com./dlr', 'https://example.com./dlr'],
])('fault A10: %s is kept as %s', (text, href) => {
  expect(parseCallbackUrl(text)).toEqual({ ok: true, href })
})

test.each([
  'http://example.com',
  'ftp://example.com',
  'example.com/dlr',
  '',
  'https://',
  'https://user@example.com',
  'https://user:secret@example.com',
  'https://example.com@10.0.0.1/',
  ' https://example.com',
  'https://example.com/a b',
  'https://example.com/\t',
  'https://exa\nmple.com/',
  'https://example.com/\u0000',
  'https://example.com/\u0085',
  'https://localhost/',
  'https://LOCALHOST./',
  'https://billing/',
  'https://a.localhost/',
  'https://10.1.2.3/',
  'https://127.0.0.1/',
  'https://127.1/',
  'https://2130706433/',
  'https://0x7f.0.0.1/',
  'https://0177.0.0.1/',
  'https://127.0.0.1./',
  'https://169.254.169.254/latest/meta-data',
  'https://172.16.0.1/',
  'https://172.31.255.255/',
  'https://192.168.0.1/',
  'https://100.64.0.1/',
  'https://0.0.0.0/',
  'https://[::1]/',
  'https://[::]/',
  'https://[fe80::1]/',
  'https://[fd00::1]/',
  'https://[::ffff:10.0.0.1]/',
  'https://[::ffff:8.8.8.8]/',
  'https://[64:ff9b::a00:1]/',
  'https://１２７.0.0.1/',
])('fault A10: %j is refused', (text) => {
  expect(parseCallbackUrl(text).ok).toBe(false)
})

test('the length counts before and after escaping', () => {
  const base = 'https://example.com/'
  expect(parseCallbackUrl(base + 'x'.repeat(CALLBACK_URL_CHARS_MAX - base.length)).ok).toBe(true)
  expect(parseCallbackUrl(base + 'x'.repeat(CALLBACK_URL_CHARS_MAX - base.length + 1)).ok).toBe(false)
  expect(parseCallbackUrl(base + '\u00fc'.repeat(400)).ok).toBe(false)
})

test('what is kept is kept again unchanged', () => {
  fc.assert(
    fc.property(fc.webUrl({ withFragments: true, withQueryParameters: true }), (url) => {
      const parsed = parseCallbackUrl(url.replace(/^http:/, 'https:'))
      fc.pre(parsed.ok)
      expect(parseCallbackUrl(parsed.href)).toEqual(parsed)
    }),
    { numRuns: 30 },
  )
}, 60_000)
