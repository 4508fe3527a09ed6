import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { composeSchema } from './compose-schema.ts'
import { containers } from './docker.ts'
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
    const processes = ['api', 'topologies', 'bridges', 'sinks', 'smpp-gateway']
    const standIns = ['routing-engine', 'operator-management', 'smsc']
    expect(new Set(Object.keys(compose.services))).toEqual(new Set([...servers, ...processes, ...standIns]))
  })

  it('waits only for services that exist and say when they are healthy', () => {
    const waits = services.flatMap(([name, service]) =>
      Object.entries(service.depends_on).map(([other, { condition }]) => ({ name, other, condition })),
    )
    const blind = waits.filter(({ other }) => compose.services[other]?.healthcheck === undefined)
    expect(waits.length).toBeGreaterThan(0)
    expect(blind).toEqual([])
    expect(new Set(waits.map(({ condition }) => condition))).toEqual(new Set(['service_healthy']))
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
