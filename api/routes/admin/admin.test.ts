import { request } from 'node:http'
import * as fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../../streams/platform/logger.ts'
import type { Answer } from '../../testing/call.suite.ts'
import { claims, emptyDesk, fakeApp, goodHeaders, type FakeApp } from '../../testing/fake-app.suite.ts'
import type { AdminDesk, Orphan } from './desk.ts'
import { csvField } from './export-lines.ts'

const id = '5d4b3a0e-0a34-5c0c-8a55-0d5c0f4c8f60'
const messageId = '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7'
const releasedAt = '2026-04-21T08:00:00.000Z'
const admin = { ...goodHeaders, Authorization: 'Bearer admin' }
const tokens = {
  good: claims(),
  admin: { ...claims(), accountId: undefined, platformAdmin: true },
  nobody: { ...claims(), platformAdmin: true, subject: undefined },
}

let app: FakeApp
afterEach(() => app.close())
const start = async (desk: Partial<AdminDesk> = {}, logger = silentLogger) => {
  app = await fakeApp({ tokens, app: { admin: { ...emptyDesk, ...desk }, logger } })
}
const get = (path: string, headers: Record<string, string> = admin) =>
  app.call(`/v1/admin/dlr/${path}`, { headers })
const post = (path: string, body: unknown, headers: Record<string, string> = admin): Promise<Answer> =>
  app.call(`/v1/admin/dlr/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })

const ASKS: readonly [string, () => Promise<Answer>][] = [
  ['the list', () => get('quarantine')],
  ['one receipt', () => get(`quarantine/${id}`)],
  ['a release', () => post(`quarantine/${id}/release`, { reason: 'x' })],
  ['the export', () => get('orphans/export?from=2026-04-01T00:00:00Z&to=2026-04-02T00:00:00Z')],
  ['a reconciliation', () => post(`orphans/${id}/reconcile`, { reason: 'x', messageId, segmentIndex: 1 })],
]

describe.each(ASKS)('%s', (_, ask) => {
  test('is for administrators: not for clients, keys and bearers without a name [H5] [H6]', async () => {
    await start()
    const { Authorization: token } = admin
    const statuses: [string, number, string | undefined][] = []
    for (const given of ['Bearer good', 'Bearer nobody', 'Bearer other', '']) {
      admin.Authorization = given
      const { status, headers } = await ask()
      statuses.push([given, status, String(headers['cache-control'])])
    }
    admin.Authorization = token
    expect(statuses).toEqual([
      ['Bearer good', 403, 'no-store'],
      ['Bearer nobody', 403, 'no-store'],
      ['Bearer other', 401, 'no-store'],
      ['', 401, 'no-store'],
    ])
  })

  test('is served while submits are switched off, and nowhere without a desk', async () => {
    app = await fakeApp({
      tokens,
      app: { admin: emptyDesk, flags: () => ({ enabled: false, shadow: false }) },
    })
    expect([200, 404]).toContain((await ask()).status)
    await app.close()
    app = await fakeApp({ tokens, app: { admin: undefined } })
    const { status, json } = await ask()
    expect([status, json]).toMatchObject([404, { code: 'NOT_FOUND' }])
  })
})

describe('DLR-016.4 a release', () => {
  test('is answered with 202 and the time, and done in the name of the token', async () => {
    const orders: unknown[] = []
    await start({
      release: async (given, order) => {
        orders.push([given, order])
        return { kind: 'released', releasedAt }
      },
    })
    const { status, json } = await post(`quarantine/${id.toUpperCase()}/release`, { reason: ' by phone ' })
    expect([status, json]).toEqual([202, { quarantineId: id, releasedAt }])
    const traceparent: unknown = expect.any(String)
    expect(orders).toEqual([[id, { actor: 'ann', reason: 'by phone', trace: { traceparent } }]])
  })

  test('of what has been released is a 409, of what there is not a 404 [ER13]', async () => {
    await start({ release: async () => ({ kind: 'already' }) })
    expect(await post(`quarantine/${id}/release`, { reason: 'x' })).toMatchObject({
      status: 409,
      json: { code: 'ALREADY_RELEASED' },
    })
    expect((await post('quarantine/x/release', { reason: 'x' })).status).toBe(404)
  })

  test.each([
    {},
    { reason: '' },
    { reason: '  ' },
    { reason: 'x'.repeat(501) },
    { reason: 'x', more: 1 },
    { reason: '\0' },
  ])('needs a reason and takes nothing else: %j', async (body) => {
    await start()
    const { status, json } = await post(`quarantine/${id}/release`, body)
    expect([status, json]).toMatchObject([400, { code: 'INVALID_PAYLOAD' }])
  })
})

describe('a reconciliation', () => {
  test('that cannot be true is a 400 that names the field and not the value', async () => {
    await start({
      reconcile: async () => ({ kind: 'unfit', path: 'messageId', message: 'names no message' }),
    })
    const answer = await post(`orphans/${id}/reconcile`, { reason: 'x', messageId, segmentIndex: 1 })
    expect([answer.status, answer.json]).toMatchObject([
      400,
      { errors: [{ path: 'messageId', message: 'names no message' }] },
    ])
    for (const segmentIndex of [0, 256, 1.5, '1'])
      expect((await post(`orphans/${id}/reconcile`, { reason: 'x', messageId, segmentIndex })).status).toBe(
        400,
      )
  })
})

describe('queries', () => {
  test.each([
    'quarantine?operatorId=x',
    'quarantine?state=open',
    'quarantine?limit=201',
    'quarantine?cursor=x',
    'quarantine?more=1',
    'quarantine?limit=1&limit=2',
    'orphans/export',
    'orphans/export?from=2026-04-01T00:00:00Z',
    'orphans/export?from=2026-04-02T00:00:00Z&to=2026-04-02T00:00:00Z',
    'orphans/export?from=2026-04-01T00:00:00Z&to=2026-05-02T00:00:00.001Z',
    'orphans/export?from=2026-04-01T00:00:00Z&to=2026-04-02T00:00:00Z&format=xml',
  ])('%s is a 400', async (path) => {
    await start()
    const { status, json } = await get(path)
    expect([status, json]).toMatchObject([400, { code: 'INVALID_PAYLOAD' }])
  })

  test('of 31 days are taken [AD3]', async () => {
    await start()
    const answer = await get('orphans/export?from=2026-04-01T00:00:00Z&to=2026-05-02T00:00:00Z')
    expect(answer.status).toBe(200)
  })
})

const orphan = (n: number, rawStat = 'UNDELIV'): Orphan => ({
  orphanId: id,
  operatorId: id,
  operatorMessageId: `OP-${n}`,
  rawStat,
  rawPayload: { stat: rawStat, text: 'a "b"' },
  receivedAt: releasedAt,
})
/** A client that reads nothing but the head of the answer. */
const opening = (): Promise<{ status: number | undefined; close: () => void }> =>
  new Promise((resolve, reject) => {
    const options = { headers: admin, agent: false }
    const asking = request(`${app.url}/v1/admin/dlr/${EXPORT}`, options, (answer) => {
      answer.on('error', () => {})
      resolve({ status: answer.statusCode, close: () => void answer.destroy() })
    })
    asking.once('error', reject)
    asking.end()
  })
const EXPORT = 'orphans/export?from=2026-04-01T00:00:00Z&to=2026-04-02T00:00:00Z'

describe('DLR-022.3 an export', () => {
  test('is one JSON object a line, page after page', async () => {
    await start({
      async *exportOrphans() {
        yield [orphan(1), orphan(2)]
        yield [orphan(3)]
      },
    })
    const { text, headers } = await get(EXPORT)
    expect(headers['content-type']).toBe('application/x-ndjson')
    expect(headers['content-disposition']).toBe('attachment; filename="orphans.ndjson"')
    const lines = text.trimEnd().split('\n')
    expect(lines.map((line): unknown => JSON.parse(line))).toEqual([orphan(1), orphan(2), orphan(3)])
  })

  test('or a table that no spreadsheet calculates with', async () => {
    await start({
      async *exportOrphans() {
        yield [orphan(1, '=cmd|x!A1'), orphan(2)]
      },
    })
    const { text, headers } = await get(`${EXPORT}&format=csv`)
    expect(headers['content-type']).toBe('text/csv; charset=utf-8')
    expect(text).toBe(
      'orphanId,operatorId,operatorMessageId,rawStat,receivedAt,rawPayload\r\n' +
        `"${id}","${id}","OP-1","'=cmd|x!A1","${releasedAt}","{""stat"":""=cmd|x!A1"",""text"":""a \\""b\\""""}"\r\n` +
        `"${id}","${id}","OP-2","UNDELIV","${releasedAt}","{""stat"":""UNDELIV"",""text"":""a \\""b\\""""}"\r\n`,
    )
  })

  test('that fails before its first line is a problem, and afterwards breaks off', async () => {
    await start({
      exportOrphans: () => ({
        [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('+447700900123')) }),
      }),
    })
    expect((await get(EXPORT)).json).toMatchObject({ code: 'INTERNAL' })
    await app.close()
    const written: unknown[] = []
    const note = (event: string, fields?: object) => void written.push([event, fields])
    await start(
      {
        async *exportOrphans() {
          yield [orphan(1)]
          throw new Error('+447700900123')
        },
      },
      { ...silentLogger, warn: note, error: note },
    )
    const broken = fetch(`${app.url}/v1/admin/dlr/${EXPORT}`, { headers: admin })
    await expect(broken.then((answer) => answer.text())).rejects.toThrow('terminated')
    expect(JSON.stringify(written)).not.toContain('447700900123')
    expect(JSON.stringify(written)).toContain('api.answer_broken')
  })

  test('waits for its reader, and of more than two at a time the third is told to come back', async () => {
    let pages = 0
    const wide = Array.from({ length: 500 }, (_, n) => ({ ...orphan(n), rawPayload: 'x'.repeat(2_000) }))
    await start({
      async *exportOrphans() {
        for (;;) {
          pages += 1
          yield wide
        }
      },
    })
    const opened = await Promise.all([opening(), opening()])
    // Nobody reads: what the sockets hold is all that was asked for.
    let before = -1
    while (before !== pages) {
      before = pages
      await new Promise((resolve) => void setTimeout(resolve, 100))
    }
    expect(pages).toBeLessThan(40)
    expect(await get(EXPORT)).toMatchObject({ status: 503, json: { code: 'OVERLOADED' } })
    for (const { close } of opened) close()
    let third: number | undefined = 503
    while (third === 503) {
      const { status, close } = await opening()
      third = status
      close()
    }
    expect(third).toBe(200)
  }, 60_000)
})

/** RFC 4180, as a spreadsheet reads it. */
const read = (field: string): string => field.slice(1, -1).replaceAll('""', '"')

describe('a field of the table', () => {
  test('is read back as it was, or as text behind an apostrophe', () => {
    const danger = fc.constantFrom('=', '+', '-', '@', '\t', '\r', '\n', ' ', '＝', '"', 'a', '1')
    fc.assert(
      fc.property(fc.string({ unit: danger, maxLength: 6 }), (given) => {
        const field = csvField(given)
        expect(field).toMatch(/^"(?:[^"]|"")*"$/)
        expect([given, `'${given}`]).toContain(read(field))
        expect(read(field)).not.toMatch(/^[\s]*[=+\-@＝]|^[\t\r\n]/)
      }),
    )
  })

  test('of what is not there is empty', () => {
    expect([csvField(null), csvField(undefined), csvField({ a: 1 })]).toEqual(['""', '""', '"{""a"":1}"'])
  })
})
