import * as fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { claims, fakeApp, goodBody, goodHeaders, reply, type FakeApp } from '../testing/fake-app.suite.ts'
import { until } from '../testing/until.suite.ts'
import { readApiConfig } from '../config.ts'
import { PLACES } from '../routes/bulk.ts'
import { admission } from './admission.ts'

let app: FakeApp
afterEach(() => app.close())

const OTHER = '0d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21'

test("fault A6: one tenant's flood is refused beyond its half, and nobody else is", async () => {
  const answers: (() => void)[] = []
  app = await fakeApp({
    tokens: { good: claims(), other: { ...claims(), tenantId: OTHER } },
    app: { gate: admission(8) },
    outcome: () => new Promise((resolve) => void answers.push(() => resolve({ kind: 'accepted', reply }))),
  })
  const flood = Array.from({ length: 20 }, () => app.send(goodBody))
  const others = { ...goodHeaders, Authorization: 'Bearer other', 'X-Tenant-Id': OTHER }
  await until(async () => answers.length === 4)
  const good = [1, 2, 3].map(() => app.send(goodBody, others))
  await until(async () => answers.length === 7)
  for (const answer of answers) answer()
  const floodStatuses = (await Promise.all(flood)).map((answer) => answer?.status)
  expect(floodStatuses.filter((status) => status === 202)).toHaveLength(4)
  expect((await Promise.all(good)).map((answer) => answer?.status)).toEqual([202, 202, 202])
  const late = (await Promise.all(flood)).find((answer) => answer?.status === 503)
  expect(late?.json).toMatchObject({ code: 'OVERLOADED' })
  expect(late?.headers['retry-after']).toBe('1')
})

test('places are given back, whatever comes, and never more are taken than there are', () => {
  const tenants = fc.constantFrom('a', 'b', 'c')
  const step = fc.oneof(
    fc.record({ tenant: tenants, places: fc.integer({ min: 1, max: 4 }) }),
    fc.constant('leave'),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const gate = admission(8)
      const inside: { tenant: string; places: number; leave: () => void }[] = []
      const held = (of?: string) =>
        inside
          .filter(({ tenant }) => of === undefined || tenant === of)
          .reduce((sum, { places }) => sum + places, 0)
      const wrong = steps.filter((one) => {
        if (typeof one === 'string') return inside.shift()?.leave() !== undefined
        const fits = held() + one.places <= 8 && held(one.tenant) + one.places <= 4
        const leave = gate.enter(one.tenant, one.places)
        if (leave !== undefined) inside.push({ ...one, leave })
        return fits !== (leave !== undefined)
      })
      expect(wrong).toEqual([])
    }),
  )
})

test('a refused request holds no place, and neither does one that has failed', async () => {
  app = await fakeApp({ app: { gate: admission(2) }, outcome: () => Promise.reject(new Error('defect')) })
  for (let round = 0; round < 5; round++) expect((await app.send(goodBody)).status).toBe(500)
  expect((await app.send('{')).status).toBe(400)
  expect((await app.send(goodBody)).status).toBe(500)
})

test('the least bound that can be configured lets every tenant have a bulk', () => {
  const env = { DATABASE_URL: 'x', RELAY_DATABASE_URL: 'x' }
  expect(() => readApiConfig({ ...env, INFLIGHT_MAX: '31' })).toThrow(/INFLIGHT_MAX/)
  const { INFLIGHT_MAX } = readApiConfig({ ...env, INFLIGHT_MAX: '32' })
  expect(admission(INFLIGHT_MAX).enter('a', PLACES)).toBeDefined()
})
