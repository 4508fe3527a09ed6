import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { accounts, credentials, operatorIds, operatorOptions, routes } from '../local/operators.ts'
import { composeSchema } from './compose-schema.ts'
import { containers } from './docker.ts'
import { variablesOf } from './environment-of.ts'
import { serverNames } from './server-names.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const read = (name: string): string => readFileSync(join(root, name), 'utf8')
const document: unknown = parse(read('docker-compose.redpanda.yml'), { merge: true })
const dockerfile = read('Dockerfile')

const Service = z.object({
  image: z.string().optional(),
  build: z.object({ target: z.string() }).optional(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  networks: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  healthcheck: z.unknown().optional(),
})
const Compose = z.object({
  services: z.record(z.string(), Service),
  volumes: z.record(z.string(), z.unknown()).default({}),
  networks: z.record(z.string(), z.unknown()).default({}),
})

const compose = Compose.parse(document)
const services = Object.entries(compose.services)
const isValid = new Ajv2020({ allErrors: true, strict: false }).compile(composeSchema)

/** They run to their end before the others start. */
const preparations = ['migrate', 'provision-log', 'provision-nats']
/** The services whose code is in this repository. */
const ours = services.filter(([, { build }]) => build !== undefined).map(([name]) => name)

function serviceOf(name: string): z.infer<typeof Service> {
  const service = compose.services[name]
  if (service === undefined) throw new Error(`no service ${name}`)
  return service
}

const jsonOf = (name: string, variable: string): unknown =>
  JSON.parse(serviceOf(name).environment[variable] ?? 'null')

const userOf = (name: string, variable: string): string =>
  new URL(serviceOf(name).environment[variable] ?? '').username

/**
 * `node dist/api/main.js` and `node --import tsx dev/neighbours/smsc/main.ts` by the file that they
 * run.
 */
const entryOf = (command: readonly string[]): string =>
  (command.at(-1) ?? '').replace(/^dist\//, '').replace(/\.js$/, '.ts')

/** A version of at least two numbers: `15` or `latest` is another image next month. */
const pinned = /:v?\d+\.\d+[\w.-]*$/

/** All services that must be up before this one, the chain followed to its end. */
const waitsFor = (name: string, path: readonly string[] = []): string[] => {
  if (path.includes(name)) throw new Error(`services wait for each other: ${[...path, name].join(' -> ')}`)
  const direct = Object.keys(compose.services[name]?.depends_on ?? {})
  return direct.flatMap((next) => [next, ...waitsFor(next, [...path, name])])
}

describe('docker-compose.redpanda.yml', () => {
  it('is a valid compose file', () => {
    isValid(document)
    expect(isValid.errors).toBeNull()
  })

  it.each([
    ['a misspelt key', { services: { redis: { image: 'redis:7.2.9', heathcheck: {} } } }],
    ['a service without image and build', { services: { redis: { command: ['redis-server'] } } }],
    [
      'a bare number in the environment',
      { services: { api: { image: 'api:1.0', environment: { PORT: 1 } } } },
    ],
    [
      'an unknown condition',
      { services: { api: { image: 'api:1.0', depends_on: { a: { condition: 'up' } } } } },
    ],
  ])('is held to a schema that refuses %s', (_fault, faulty) => {
    expect(isValid(faulty)).toBe(false)
  })

  it('starts every process of the platform and the stand-ins of its neighbours', () => {
    const servers = ['redpanda', 'console', 'nats', 'postgres', 'redis']
    const processes = ['api', 'topologies', 'bridges', 'sinks', 'jobs', 'smpp-gateway']
    const standIns = ['routing-engine', 'operator-management', 'smsc']
    expect(new Set(Object.keys(compose.services))).toEqual(
      new Set([...servers, ...preparations, ...processes, ...standIns]),
    )
  })

  it('waits for the end of preparations, and for others that exist and say when they are healthy', () => {
    const waits = services.flatMap(([name, service]) =>
      Object.entries(service.depends_on).map(([other, { condition }]) => ({ name, other, condition })),
    )
    const ends = waits.filter(({ condition }) => condition === 'service_completed_successfully')
    const lives = waits.filter(({ condition }) => condition === 'service_healthy')
    expect(ends.length + lives.length).toBe(waits.length)
    // `up --wait` takes the end of a service for a failure unless another one waits for just that.
    expect(new Set(ends.map(({ other }) => other))).toEqual(new Set(preparations))
    expect(lives.length).toBeGreaterThan(0)
    expect(lives.filter(({ other }) => compose.services[other]?.healthcheck === undefined)).toEqual([])
  })

  it.each(ours)('gives %s only variables that it reads, and all that it cannot start without', (name) => {
    const { command, environment } = serviceOf(name)
    const read = variablesOf(root, entryOf(command))
    const given = new Set(Object.keys(environment))
    expect(read.size).toBeGreaterThan(0)
    expect([...given].filter((variable) => !read.has(variable))).toEqual([])
    const required = [...read].filter(([, { required: needed }]) => needed).map(([variable]) => variable)
    expect(required.filter((variable) => !given.has(variable))).toEqual([])
  })

  it('asks for one copy of everything, since there is one broker and one NATS server', () => {
    const replicas = ours.flatMap((name) => {
      const given = new Set(variablesOf(root, entryOf(serviceOf(name).command)).keys())
      return Object.entries(serviceOf(name).environment).filter(
        ([variable]) => variable.endsWith('_REPLICAS') && given.has(variable),
      )
    })
    expect(replicas).toContainEqual(['LOG_REPLICAS', '1'])
    expect(replicas).toContainEqual(['NATS_REPLICAS', '1'])
    expect(new Set(replicas.map(([, copies]) => copies))).toEqual(new Set(['1']))
  })

  it('plays the same operators as the demo', () => {
    expect(jsonOf('smsc', 'OPERATORS')).toEqual(accounts())
    expect(jsonOf('operator-management', 'OPERATORS')).toEqual(credentials('smsc', 2775))
    expect(jsonOf('routing-engine', 'ROUTES')).toEqual(routes())
    for (const name of ['topologies', 'smpp-gateway'])
      expect(jsonOf(name, 'OPERATOR_OPTIONS')).toEqual(JSON.parse(operatorOptions()))
    for (const name of ['provision-nats', 'smpp-gateway'])
      expect(serviceOf(name).environment['OPERATOR_IDS']).toBe(operatorIds())
  })

  it('connects each service to the database under its role ([DB50], [DB51])', () => {
    expect(userOf('api', 'DATABASE_URL')).toBe('orch_svc')
    expect(userOf('api', 'RELAY_DATABASE_URL')).toBe('orch_relay')
    expect(userOf('api', 'ADMIN_DATABASE_URL')).toBe('admin_svc')
  })

  it('has no circle of services that wait for each other', () => {
    expect(services.filter(([name]) => waitsFor(name).includes(name))).toEqual([])
  })

  it('mounts only volumes and joins only networks that it declares, and declares none in vain', () => {
    const mounted = services.flatMap(([, { volumes }]) => volumes.map((volume) => volume.split(':')[0]))
    const joined = services.flatMap(([, { networks }]) => networks)
    expect(new Set(mounted)).toEqual(new Set(Object.keys(compose.volumes)))
    expect(new Set(joined)).toEqual(new Set(Object.keys(compose.networks)))
  })

  it('pins every image, also those that the Dockerfile builds on', () => {
    const images = services.flatMap(([, { image }]) => (image === undefined ? [] : [image]))
    const bases = [...dockerfile.matchAll(/^FROM (\S+:\S+)/gm)].map(([, base]) => base ?? '')
    expect(images.length).toBeGreaterThan(0)
    expect(bases.length).toBeGreaterThan(0)
    expect([...images, ...bases].filter((image) => !pinned.test(image))).toEqual([])
  })

  it('builds only targets that the Dockerfile has', () => {
    const stages = new Set([...dockerfile.matchAll(/^FROM \S+ AS (\S+)/gm)].map(([, stage]) => stage))
    const targets = services.flatMap(([, { build }]) => (build === undefined ? [] : [build.target]))
    expect(targets.length).toBeGreaterThan(0)
    expect(targets.filter((target) => !stages.has(target))).toEqual([])
  })

  it('publishes every port on the loopback address only, since nothing asks for a password', () => {
    const ports = services.flatMap((entry) => entry[1].ports)
    expect(ports.length).toBeGreaterThan(0)
    expect(ports.filter((port) => !/^127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+$/.test(port))).toEqual([])
  })

  it('lets two published ports never be the same by default', () => {
    const ports = services.flatMap((entry) => entry[1].ports.map((port) => /:-(\d+)\}/.exec(port)?.[1]))
    expect(new Set(ports).size).toBe(ports.length)
  })

  it.each(serverNames)('lets the local stack choose the port of %s', (name) => {
    const { service, portVariable } = containers[name]
    expect(compose.services[service]?.ports.join()).toContain(`\${${portVariable}:-`)
  })

  it('advertises the log to the machine under the port that is published', () => {
    const command = compose.services['redpanda']?.command.join(' ')
    const published = compose.services['redpanda']?.ports[0]?.split(':19092')[0]
    expect(command).toContain(`external://${published}`)
    expect(command).not.toContain('dev-container')
  })
})
