import { afterEach, describe, expect, test } from 'vitest'
import {
  fakeApp,
  goodBody,
  goodHeaders,
  reply,
  requestId,
  type FakeApp,
  type Fakes,
} from '../testing/fake-app.suite.ts'
import type { SubmitOutcome } from '../submit/submit.ts'

let app: FakeApp
const start = async (fakes: Fakes = {}) => (app = await fakeApp(fakes))
afterEach(() => app.close())

const bulk = (messages: unknown, headers: Record<string, string> = {}) =>
  app.call('/v1/sms/bulk', {
    method: 'POST',
    headers: { ...goodHeaders, ...headers },
    body: JSON.stringify({ messages }),
  })

const accepted = {
  status: 'QUEUED',
  messageId: reply.messageId,
  segmentCount: 1,
  encoding: 'GSM7',
  enqueuedAt: reply.enqueuedAt,
}

describe('POST /v1/sms/bulk', () => {
  test('ORC-2.1 MIG-2.1 answers each element in its place, good and bad ones beside each other', async () => {
    const answer = await (await start()).call('/v1/sms/bulk', {
      method: 'POST',
      headers: goodHeaders,
      body: JSON.stringify({ messages: [goodBody, { ...goodBody, to: '+4477' }, goodBody] }),
    })
    expect(answer.status).toBe(202)
    expect(answer.json).toEqual({
      results: [
        { index: 0, ...accepted },
        {
          index: 1,
          status: 'REJECTED',
          error: {
            type: 'https://docs.ghasi.io/problems/invalid-destination',
            title: 'Invalid destination',
            status: 400,
            detail: 'to is not a valid number',
            instance: `urn:uuid:${requestId}`,
            code: 'INVALID_DESTINATION',
            errors: [{ path: 'messages[1].to', message: 'not a valid number' }],
          },
        },
        { index: 2, ...accepted },
      ],
      accepted: 2,
      rejected: 1,
    })
    expect(app.submitted[0]?.items).toHaveLength(2)
  })

  test.each([
    ['none', []],
    ['501', Array.from({ length: 501 }, () => goodBody)],
    ['no list', goodBody],
    ['nothing', undefined],
  ])('ORC-2.2 %s of elements is an invalid payload, and reaches nobody', async (_, messages) => {
    await start()
    expect(await bulk(messages)).toMatchObject({ status: 400, json: { code: 'INVALID_PAYLOAD' } })
    expect(app.submitted).toEqual([])
  })

  test('ORC-2.1 500 elements are taken, and 2 MB but no more', async () => {
    await start()
    expect((await bulk(Array.from({ length: 500 }, () => goodBody))).json).toMatchObject({ accepted: 500 })
    const large = JSON.stringify({ messages: [goodBody] })
    const sized = (bytes: number) =>
      app.call('/v1/sms/bulk', { method: 'POST', headers: goodHeaders, body: large.padEnd(bytes) })
    expect((await sized(2 * 1024 * 1024)).status).toBe(202)
    expect((await sized(2 * 1024 * 1024 + 1)).status).toBe(413)
  })

  test('ORC-2.3 element i has the key with its index, whatever was refused before it', async () => {
    await start()
    await bulk([{}, goodBody, goodBody], { 'Idempotency-Key': 'order-42' })
    expect(app.submitted[0]?.items.map(({ idempotencyKey }) => idempotencyKey)).toEqual([
      'order-42:1',
      'order-42:2',
    ])
    await bulk([goodBody])
    expect(app.submitted[1]?.items).toMatchObject([{ idempotencyKey: undefined }])
  })

  test('ORC-2.3 a conflict or an expiry that has passed refuses its element alone', async () => {
    const outcomes: SubmitOutcome[] = [
      { kind: 'conflict' },
      { kind: 'accepted', reply },
      { kind: 'untimely', errors: [{ path: 'expiresAt', message: 'must be in the future' }] },
    ]
    await start({ outcome: async () => outcomes.shift() ?? { kind: 'conflict' } })
    expect((await bulk([goodBody, goodBody, goodBody])).json).toMatchObject({
      results: [
        { index: 0, status: 'REJECTED', error: { code: 'IDEMPOTENCY_CONFLICT', status: 409 } },
        { index: 1, status: 'QUEUED' },
        { index: 2, status: 'REJECTED', error: { errors: [{ path: 'messages[2].expiresAt' }] } },
      ],
      accepted: 1,
      rejected: 2,
    })
  })

  test.each<[string, SubmitOutcome[], string | undefined]>([
    ['all accepted ones are replays', [{ kind: 'replayed', reply }, { kind: 'conflict' }], 'true'],
    [
      'one is new',
      [
        { kind: 'replayed', reply },
        { kind: 'accepted', reply },
      ],
      undefined,
    ],
    ['none is accepted', [{ kind: 'conflict' }, { kind: 'conflict' }], undefined],
  ])('ORC-2.3 says replayed when %s', async (_, outcomes, header) => {
    await start({ outcome: async () => outcomes.shift() ?? { kind: 'conflict' } })
    expect((await bulk([goodBody, goodBody])).headers['idempotency-replayed']).toBe(header)
  })

  test('[SM8] an element with sendAt is SCHEDULED, and a bad one is refused by its field', async () => {
    const sendAt = '2026-04-20T08:00:00.000Z'
    const scheduled = { ...reply, status: 'SCHEDULED' as const, sendAt }
    await start({
      outcome: async ({ command }) => ({
        kind: 'accepted',
        reply: command.sendAt === undefined ? reply : scheduled,
      }),
    })
    const answer = await bulk([goodBody, { ...goodBody, sendAt }, { ...goodBody, sendAt: 'soon' }])
    expect(answer.json).toMatchObject({
      results: [
        { status: 'QUEUED' },
        { status: 'SCHEDULED', sendAt },
        { status: 'REJECTED', error: { errors: [{ path: 'messages[2].sendAt' }] } },
      ],
    })
    expect(app.submitted[0]?.items.map(({ command }) => command.sendAt)).toEqual([undefined, sendAt])
  })

  test('a misspelt field is named beside its element', async () => {
    await start()
    expect((await bulk([goodBody, { ...goodBody, calbackUrl: 'x' }])).json).toMatchObject({
      results: [
        { index: 0 },
        { warnings: [{ path: 'messages[1].calbackUrl', message: 'unknown field, ignored' }] },
      ],
    })
  })

  test('ORC-8.3 each refused element is counted', async () => {
    await start()
    await bulk([{}, {}, goodBody])
    expect((await app.call('/metrics')).text).toContain('orch_submit_total{result="rejected"} 2')
  })
})

test('a misspelt field of a single submit is named in the reply, at most twenty, each cut', async () => {
  await start()
  const extra = Object.fromEntries(
    Array.from({ length: 30 }, (_, index) => [`${'x'.repeat(100)}${index}`, 1]),
  )
  const answer = await app.send({ ...goodBody, ...extra })
  expect(answer.status).toBe(202)
  const path = 'x'.repeat(64)
  const warnings = Array.from({ length: 20 }, () => ({ path, message: 'unknown field, ignored' }))
  expect(answer.json).toEqual({ ...reply, warnings })
  expect((await app.send(goodBody)).json).toEqual(reply)
})
