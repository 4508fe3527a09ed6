import * as fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { encodingOf, segmentCount } from '../../streams/domain/message/text-segments.ts'
import {
  claims,
  fakeApp,
  goodBody,
  goodHeaders,
  type FakeApp,
  type Fakes,
} from '../testing/fake-app.suite.ts'
import { sizeOf } from './estimate.ts'

let app: FakeApp | undefined
afterEach(() => app?.close())

async function estimate(body: unknown, fakes: Fakes = {}) {
  app = await fakeApp(fakes)
  return app.call('/v1/sms/estimate', { method: 'POST', headers: goodHeaders, body: JSON.stringify(body) })
}

test('says what a message would become, and stores nothing', async () => {
  const answer = await estimate({ ...goodBody, to: '+44 7700 900-123', body: ` ${'€'.repeat(81)} ` })
  expect(answer).toMatchObject({ status: 200 })
  expect(answer.json).toEqual({
    to: '+447700900123',
    encoding: 'GSM7',
    segmentCount: 2,
    unitsPerSegment: [152, 10],
    ucs2Characters: [],
  })
  expect(app?.submitted).toEqual([])
})

test('names each character that forced UCS2, once and whole', async () => {
  const answer = await estimate({ to: goodBody.to, body: 'a💩b💩ç' })
  expect(answer.json).toMatchObject({ encoding: 'UCS2', unitsPerSegment: [7], ucs2Characters: ['💩', 'ç'] })
})

test('refuses what a submit refuses, under the same codes', async () => {
  expect(await estimate({ ...goodBody, to: '12' })).toMatchObject({
    status: 400,
    json: { code: 'INVALID_DESTINATION' },
  })
  await app?.close()
  expect((await estimate({ ...goodBody, body: 'x'.repeat(1601) })).json).toMatchObject({
    code: 'SMS_BODY_TOO_LONG',
  })
  await app?.close()
  expect((await estimate(goodBody, { tokens: { good: claims(['sms:read']) } })).status).toBe(403)
})

test('is the size that a submit is given, for every text', () => {
  const units = fc.constantFrom('a', '€', 'ж', '💩', '\n', '[')
  fc.assert(
    fc.property(fc.array(units, { minLength: 1, maxLength: 800 }), (characters) => {
      const body = characters.join('')
      const size = sizeOf(body)
      expect([size.encoding, size.segmentCount]).toEqual([encodingOf(body), segmentCount(body)])
      expect(size.ucs2Characters.length > 0).toBe(size.encoding === 'UCS2')
    }),
  )
}, 60_000)
