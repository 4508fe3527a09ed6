import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PROBLEMS } from '../problem.ts'
import { fakeApp, type FakeApp } from '../testing/fake-app.suite.ts'
import { checkAnswer } from '../testing/conformance.suite.ts'
import { apiDocument } from './document.ts'
import { OPERATIONS } from './operations.ts'
import { DOCUMENTED_PROBLEMS } from './problem-notes.ts'

let app: FakeApp
beforeAll(async () => {
  app = await fakeApp()
})
afterAll(() => app.close())

describe('the document', () => {
  // When the change is meant: npm test -- --pure api/openapi -u
  test('MIG-7.1 that is committed is the one that is served', async () => {
    const { json, headers } = await app.call('/openapi.json')
    expect(headers['content-type']).toMatch(/^application\/json/)
    expect(json).toEqual(apiDocument())
    const text = `${JSON.stringify(json, undefined, 2)}\n`
    await expect(text).toMatchFileSnapshot('../../docs/openapi.json')
  })

  test('describes operations that there are, each under an id of its own', async () => {
    for (const { method, path } of OPERATIONS) {
      const { status } = await app.call(path.replace(/\{\w+\}/, 'x'), { method: method.toUpperCase() })
      expect([path, status]).toEqual([path, 401])
    }
    expect(new Set(OPERATIONS.map(({ id }) => id)).size).toBe(OPERATIONS.length)
  })

  test('has examples that fit its own schemas', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    ajv.addSchema(apiDocument({ closed: true }), 'api')
    for (const [name, { examples }] of Object.entries(apiDocument().components.schemas)) {
      const validate = ajv.compile({ $ref: `api#/components/schemas/${name}` })
      for (const example of Array.isArray(examples) ? examples : []) {
        validate(example)
        expect([name, validate.errors ?? []]).toEqual([name, []])
      }
    }
  })

  test('lets answers grow: clients are not told that there is nothing more', () => {
    const { schemas } = apiDocument().components
    expect(JSON.stringify(schemas['SubmitReply'])).not.toContain('"additionalProperties":false')
  })
})

const answer = (status: number, json: unknown, type = 'application/json') => ({
  status,
  headers: { 'content-type': type },
  text: '',
  json,
})

describe('every answer of a test is compared with the document', () => {
  const url = 'http://api/v1/sms/send'
  const reply = {
    messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7',
    status: 'QUEUED',
    segmentCount: 1,
    encoding: 'GSM7',
    enqueuedAt: '2026-04-18T10:23:40.000Z',
  }

  test('and one that fits passes', () => {
    expect(() => checkAnswer('POST', url, answer(202, reply))).not.toThrow()
  })

  test.each([
    ['a field that is not described', answer(202, { ...reply, more: 1 })],
    ['a field that is missing', answer(202, { ...reply, segmentCount: undefined })],
    ['a status that is not described', answer(200, reply)],
    ['another media type', answer(202, reply, 'text/html')],
    [
      'a code that does not belong to the status',
      answer(400, { code: 'INTERNAL' }, 'application/problem+json'),
    ],
  ])('%s fails', (_, given) => {
    expect(() => checkAnswer('POST', url, given)).toThrow('does not fit the document')
  })

  test('so does an answer of an operation that is not described', () => {
    expect(() => checkAnswer('GET', 'http://api/v1/other', answer(200, {}))).toThrow('is not described')
  })
})

describe('the pages', () => {
  test('need nothing from elsewhere, and run nothing', async () => {
    for (const path of ['/docs', '/problems/overloaded']) {
      const { status, headers, text } = await app.call(path)
      expect([path, status, headers['content-type']]).toEqual([path, 200, 'text/html; charset=utf-8'])
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/]+='/)
      expect(text).not.toMatch(/<script|<link|<img|https?:\/\/(?!docs\.ghasi\.io|json-schema)[^<]*"|\son\w+=/)
    }
  })

  test('the reference names every operation, schema and problem', async () => {
    const { text } = await app.call('/docs')
    for (const { path } of OPERATIONS) expect(text).toContain(`${path}</code>`)
    for (const { summary } of OPERATIONS) expect(text).toContain(`${summary}</h2>`)
    for (const name of Object.keys(apiDocument().components.schemas))
      expect(text).toContain(`id="schema-${name}"`)
    for (const slug of DOCUMENTED_PROBLEMS.keys()) expect(text).toContain(`href="/problems/${slug}"`)
  })

  test.each(Object.keys(PROBLEMS))(
    '%s has a page that says whose fault it is and whether to try again',
    async (code) => {
      const { text } = await app.call(`/problems/${code.toLowerCase().replaceAll('_', '-')}`)
      expect(text).toContain(`<code>${code}</code>`)
      expect(text).toMatch(/Whose fault<\/th><td>(yours|ours|the gateway between us)</)
      expect(text).toMatch(/Try again\?<\/th><td>[A-Z]/)
    },
  )

  test('a code that there is not has none', async () => {
    expect((await app.call('/problems/nothing')).json).toMatchObject({ code: 'NOT_FOUND' })
  })

  test('they are there while submits are switched off', async () => {
    const off = await fakeApp({ app: { flags: () => ({ enabled: false, shadow: false }) } })
    expect((await off.call('/docs')).status).toBe(200)
    await off.close()
  })
})
