import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { selfSigned } from '../../dev/stack/certificate.ts'
import { ConfigError } from '../platform/config.ts'
import { createLogger, silentLogger } from '../platform/logger.ts'
import { connectionOf, connectNats, jetstreamOf, NotConnected, type NatsLink } from './link.ts'
import { OwnNats } from './testing/own-nats.suite.ts'

const opened: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (let close = opened.pop(); close !== undefined; close = opened.pop()) await close()
})

async function server(options: readonly string[] = []): Promise<OwnNats> {
  const nats = await OwnNats.start(options)
  opened.push(() => nats.close())
  return nats
}

function link(url: string, more: { caFile?: string; logger?: typeof silentLogger } = {}): NatsLink {
  const made = connectNats({ url, user: 'link-under-test', logger: silentLogger, ...more })
  opened.push(() => made.close())
  return made
}

const connected = async (one: NatsLink, withinMs = 10_000): Promise<boolean> => {
  await one.whenConnected(AbortSignal.timeout(withinMs))
  return one.connection !== undefined
}

const byName = (nats: OwnNats): string => nats.host.replace('127.0.0.1', 'localhost')

describe('where it connects to', () => {
  test('a server that is the second in the list, with the user and password of the first', async () => {
    const nats = await server(['--user', 'a user', '--pass', 'p@ss/w:rd'])
    const one = link(`nats://a%20user:p%40ss%2Fw%3Ard@127.0.0.1:1, ${nats.url}`)
    expect(await connected(one)).toBe(true)
    expect(connectionOf(one).getServer()).toBe(nats.host)
  })

  test('a wrong password connects nobody, and appears in no line', async () => {
    const nats = await server(['--user', 'bridges', '--pass', 'right'])
    const lines: string[] = []
    const logger = createLogger({
      service: 'test',
      level: 'debug',
      destination: { write: (line) => void lines.push(line) },
    })
    expect(await connected(link(`nats://bridges:wr0ng-Secret@${nats.host}`, { logger }), 1_500)).toBe(false)
    expect(lines.join('')).not.toContain('wr0ng-Secret')
  })
})

describe('tls://', () => {
  test('speaks TLS, and trusts the certificates that it was given', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nats-tls-'))
    opened.push(() => rmSync(folder, { recursive: true, force: true }))
    const { certFile, keyFile } = await selfSigned(folder)
    const nats = await server(['--tls', '--tlscert', certFile, '--tlskey', keyFile])
    expect(await connected(link(`tls://${byName(nats)}`, { caFile: certFile }))).toBe(true)
    expect(await connected(link(`tls://${byName(nats)}`), 1_500)).toBe(false)
  })

  test('never speaks to a server without TLS, which would read the password', async () => {
    const nats = await server()
    expect(await connected(link(`tls://bridges:secret@${byName(nats)}`), 1_500)).toBe(false)
  })

  test.each([
    'localhost:4222',
    'http://localhost:4222',
    'nats://',
    'tls://127.0.0.1:4222',
    'tls://[::1]:4222',
  ])('refuses %s at the start', (url) =>
    expect(() => connectNats({ url, user: 'anyone', logger: silentLogger })).toThrow(ConfigError),
  )
})

describe('a second life', () => {
  test('faults G7, R7: a connection that the library has given up is replaced', async () => {
    const nats = await server()
    const one = link(nats.url)
    await connected(one)
    const first = connectionOf(one)
    await first.close()
    await expect
      .poll(() => one.connection !== undefined && one.connection !== first, { timeout: 10_000 })
      .toBe(true)
    expect(jetstreamOf(one)).toBe(jetstreamOf(one))
  })

  test('a server that was killed is found again; until then there is no connection', async () => {
    const nats = await server()
    const one = link(nats.url)
    await connected(one)
    await nats.kill()
    await expect.poll(() => one.connection, { timeout: 10_000 }).toBeUndefined()
    expect(() => connectionOf(one)).toThrow(NotConnected)
    await nats.start()
    expect(await connected(one, 20_000)).toBe(true)
  })

  test('a process may start before its server, and end without it', async () => {
    const nats = await server()
    await nats.kill()
    const one = link(nats.url)
    expect(await connected(one, 300)).toBe(false)
    await nats.start()
    expect(await connected(one, 20_000)).toBe(true)
  })
})
