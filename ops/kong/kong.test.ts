import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { SIGNED_HEADERS } from '../../api/middleware/gateway-proof.ts'
import { OPERATIONS } from '../../api/openapi/operations.ts'
import { DOCUMENTED_PROBLEMS } from '../../api/openapi/problem-notes.ts'
import { ORDER_BYTES_MAX } from '../../api/routes/admin/quarantine.ts'
import { BULK_BYTES_MAX } from '../../api/routes/bulk.ts'
import { SEND_BYTES_MAX } from '../../api/routes/send.ts'

/** Strict where a misspelt field would be a silent hole; what plugins take is looked at below. */
const Plugin = z.strictObject({ name: z.string(), config: z.record(z.string(), z.unknown()) })
const Route = z.strictObject({
  name: z.string(),
  methods: z.array(z.enum(['GET', 'POST', 'DELETE'])),
  paths: z.array(z.string().regex(/^~\/.*\$$/, 'anchored: a plain path would match every longer one')),
  headers: z.record(z.string(), z.array(z.string())).optional(),
  response_buffering: z.boolean().optional(),
  strip_path: z.literal(false),
  preserve_host: z.literal(true),
  plugins: z.array(Plugin).default([]),
})
const Service = z.strictObject({
  name: z.string(),
  url: z.url().optional(),
  host: z.literal('sms-submit').optional(),
  port: z.literal(3010).optional(),
  protocol: z.literal('http').optional(),
  connect_timeout: z.int().optional(),
  read_timeout: z.int().optional(),
  write_timeout: z.int().optional(),
  retries: z.literal(0),
  plugins: z.array(Plugin).default([]),
  routes: z.array(Route),
})
const Kong = z.strictObject({
  _format_version: z.literal('3.0'),
  plugins: z.array(Plugin),
  consumers: z.array(z.looseObject({ username: z.string() })),
  services: z.array(Service),
})
const Phase = z.strictObject({
  _format_version: z.literal('3.0'),
  upstreams: z.tuple([
    z.strictObject({
      name: z.literal('sms-submit'),
      algorithm: z.literal('consistent-hashing'),
      hash_on: z.literal('header'),
      hash_on_header: z.literal('X-Tenant-Id'),
      targets: z.tuple([
        z.strictObject({ target: z.literal('gateway-submit:3010'), weight: z.int() }),
        z.strictObject({ target: z.literal('sms-api:3010'), weight: z.int() }),
      ]),
    }),
  ]),
})

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const text = read('kong.yaml')
const kong = Kong.parse(parse(text, { merge: true }))
const secured = kong.services.filter(({ name }) => name !== 'sms-docs')
const configOf = (plugins: readonly z.infer<typeof Plugin>[], name: string) =>
  plugins.find((plugin) => plugin.name === name)?.config ?? {}
const lua = (service: z.infer<typeof Service>, plugin: string): string =>
  JSON.stringify(configOf(service.plugins, plugin))

const serves = (route: z.infer<typeof Route>, method: string, path: string): boolean =>
  route.methods.some((given) => given === method) &&
  route.paths.some((given) => new RegExp(`^${given.slice(1)}`).test(path))

const isAdministered = (path: string): boolean => path.startsWith('/v1/admin/')

describe.each(secured.map((service) => [service.name, service] as const))('%s', (name, service) => {
  const own = OPERATIONS.filter(({ path }) => isAdministered(path) === (name === 'sms-admin'))

  test('has one route for each operation of the API that it is for', () => {
    for (const { method, path } of own) {
      const example = path.replace(/\{\w+\}/, '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7')
      const routes = service.routes.filter((route) => serves(route, method.toUpperCase(), example))
      expect([path, routes.length]).toEqual([path, 1])
    }
  })

  test.each([
    '/health/live',
    '/health',
    '/ready',
    '/metrics',
    '/sessions',
    '/V1/SMS/SEND',
    '/v1/sms/send/',
    '/v1/sms/x/health',
  ])('%s has none', (path) => {
    const methods = ['GET', 'POST', 'DELETE']
    expect(service.routes.filter((route) => methods.some((method) => serves(route, method, path)))).toEqual(
      [],
    )
  })

  test('refuses by size what the API refuses [ER14]', () => {
    const sizes = service.routes
      .filter(({ methods }) => methods.includes('POST'))
      .map((route) => [route.name.replace(/-by-\w+/, ''), configOf(route.plugins, 'request-size-limiting')])
    const order = { allowed_payload_size: ORDER_BYTES_MAX, size_unit: 'bytes' }
    const submits = {
      send: { allowed_payload_size: SEND_BYTES_MAX, size_unit: 'bytes' },
      estimate: { allowed_payload_size: SEND_BYTES_MAX, size_unit: 'bytes' },
      bulk: { allowed_payload_size: BULK_BYTES_MAX, size_unit: 'bytes' },
    }
    const orders = { release: order, reconcile: order }
    expect(Object.fromEntries(sizes)).toEqual(name === 'sms-admin' ? orders : submits)
  })

  test('limits the rate, of one tenant or key', () => {
    expect(configOf(service.plugins, 'rate-limiting')).toMatchObject({
      second: 200,
      fault_tolerant: true,
    })
    expect(['header', 'consumer']).toContain(configOf(service.plugins, 'rate-limiting')['limit_by'])
  })

  test('fault A2: clears every identity header first, and appends none', () => {
    const cleared = lua(service, 'pre-function')
    for (const name of [...SIGNED_HEADERS, 'X-Tier', 'X-Gateway-Signature', 'X-Anonymous-Consumer'])
      expect(cleared).toContain(`'${name}'`)
    expect(cleared).toContain('clear_header(name)')
    expect(text).not.toContain('add_header')
  })

  test('signs what the API checks, in its order [ID10]', () => {
    const signing = lua(service, 'post-function')
    expect(signing).toContain(`{ kong.request.get_method(), path, tenant, account, key, seconds }, '\\\\n')`)
    expect([...SIGNED_HEADERS]).toEqual(['X-Tenant-Id', 'X-Account-Id', 'X-Api-Key-Id'])
    for (const name of SIGNED_HEADERS) expect(signing).toContain(`set_header('${name}'`)
    expect(signing).toContain(`'t=' .. seconds .. ',v1=' .. hex`)
  })
})

test('a token and a key are asked for by services of their own, and neither lets anybody through without', () => {
  const credentials = secured.map(({ plugins }) =>
    plugins.filter(({ name }) => ['jwt', 'key-auth'].includes(name)).map(({ name }) => name),
  )
  expect(credentials).toEqual([['jwt'], ['key-auth'], ['jwt']])
  expect(JSON.stringify(secured)).not.toContain('anonymous":')
  const [byToken, byKey] = secured
  expect(byToken?.routes.every(({ headers }) => headers?.['Authorization'] !== undefined)).toBe(true)
  expect(byKey?.routes.every(({ headers }) => headers === undefined)).toBe(true)
  expect(configOf(byKey?.plugins ?? [], 'key-auth')).toMatchObject({ hide_credentials: true })
})

test('what the gateway refuses has a code that has a page [ER1]', () => {
  const codes = [...text.matchAll(/\[\d{3}\] = \{ '(\w+)'/g)].map(([, code = '']) => code)
  expect(codes).toContain('RATE_LIMITED')
  for (const code of codes) expect([...DOCUMENTED_PROBLEMS.values()].map((each) => each.code)).toContain(code)
})

test('MIG-3.2 the phases lead from none over 5, 25 and 50 to all, and the first one back', () => {
  const phases = readdirSync(new URL('phases/', import.meta.url)).toSorted()
  const weights = phases.map((file) => {
    const [{ targets }] = Phase.parse(parse(read(`phases/${file}`))).upstreams
    return targets.map(({ weight }) => weight)
  })
  expect(weights).toEqual([
    [100, 0],
    [100, 0],
    [95, 5],
    [75, 25],
    [50, 50],
    [0, 100],
  ])
})

const page = (name: string): string =>
  readFileSync(new URL(`../../docs/runbooks/submit-${name}.md`, import.meta.url), 'utf8')

test('MIG-7.2 the pages for the way there, the way back and the end name what there is', () => {
  const named = ['ramp', 'rollback', 'decommission'].flatMap(
    (name) => page(name).match(/ops\/kong\/[\w./-]+\.yaml/g) ?? [],
  )
  expect(named).toContain('ops/kong/phases/0-old.yaml')
  expect(named.filter((file) => !existsSync(new URL(`../../${file}`, import.meta.url)))).toEqual([])
  for (const phase of readdirSync(new URL('phases/', import.meta.url))) expect(page('ramp')).toContain(phase)
  expect(page('rollback')).toContain('SUBMIT_API_ENABLED')
  expect(page('decommission').match(/^ {3}- \[ \]/gm)?.length).toBeGreaterThanOrEqual(6)
})

test('secrets come from outside', () => {
  expect(text).not.toMatch(/BEGIN (RSA |PUBLIC |PRIVATE )?KEY|password:/)
  expect(text).toContain('{vault://env/gateway-secret}')
})
