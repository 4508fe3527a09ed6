import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { logEnv, readConfig } from '../../platform/config.ts'
import { connectKafka } from '../kafka.ts'
import { kafkaOptions } from './security.ts'
import { closedAfterEach, portOf, scriptedBroker } from './wire/testing/scripted-broker.suite.ts'
import type { Seen } from './wire/testing/scripted-broker.suite.ts'

const folder = mkdtempSync(join(tmpdir(), 'security-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** TLS begins with a record of type "handshake", a request with the upper bytes of its length. */
const TLS_HANDSHAKE = 0x16
const SASL_HANDSHAKE = 17

const optionsOf = (env: Readonly<Record<string, string>>) =>
  kafkaOptions(readConfig(logEnv, { KAFKA_BROKERS: 'a:1,b:2', ...env }))

const password = file('some', 'x')

describe('how a program reaches the log', () => {
  it('fault R7: is in the clear and without a name unless it is told otherwise', () => {
    const brokers = ['a:1', 'b:2']
    expect(optionsOf({})).toEqual({ brokers, compression: 'none', tls: undefined, sasl: undefined })
  })

  it('fault R7: has what the files hold, and a password without the newline at its end [NU8]', () => {
    const env = {
      KAFKA_COMPRESSION: 'lz4',
      KAFKA_TLS: 'true',
      KAFKA_CA_FILE: file('ca.pem', 'authority'),
      KAFKA_CERT_FILE: file('cert.pem', 'certificate'),
      KAFKA_KEY_FILE: file('key.pem', 'key'),
      KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
      KAFKA_SASL_USERNAME: 'sinks',
      KAFKA_SASL_PASSWORD_FILE: file('password', ' with blanks \n'),
    }
    expect(optionsOf(env)).toEqual({
      brokers: ['a:1', 'b:2'],
      compression: 'lz4',
      tls: { ca: 'authority', cert: 'certificate', key: 'key' },
      sasl: { mechanism: 'SCRAM-SHA-512', username: 'sinks', password: ' with blanks ' },
    })
  })

  it.each([
    [{ KAFKA_CA_FILE: password }, 'KAFKA_CA_FILE needs KAFKA_TLS=true'],
    [{ KAFKA_TLS: 'false', KAFKA_KEY_FILE: password }, 'KAFKA_KEY_FILE needs KAFKA_TLS=true'],
    [{ KAFKA_TLS: 'true', KAFKA_CERT_FILE: password }, 'KAFKA_CERT_FILE and KAFKA_KEY_FILE belong together'],
    [{ KAFKA_TLS: 'true', KAFKA_CA_FILE: '/none' }, 'KAFKA_CA_FILE names a file that cannot be read'],
    [{ KAFKA_SASL_USERNAME: 'x' }, 'need KAFKA_SASL_MECHANISM'],
    [{ KAFKA_SASL_MECHANISM: 'PLAIN', KAFKA_SASL_USERNAME: 'x' }, 'needs KAFKA_SASL_USERNAME and KAFKA_SASL'],
    [{ KAFKA_SASL_MECHANISM: 'GSSAPI' }, 'KAFKA_SASL_MECHANISM'],
  ])('fault R7: refuses %j with a sentence', (env, sentence) => {
    expect(() => optionsOf(env)).toThrow(sentence)
  })
})

describe('what a program says first to a broker', () => {
  const opened = closedAfterEach()

  /** Connects as the environment says. */
  function connected(port: number, env: Readonly<Record<string, string>>): void {
    const client = opened(
      connectKafka({
        ...optionsOf({ KAFKA_BROKERS: `127.0.0.1:${port}`, ...env }),
        clientId: 'security-test',
      }),
    )
    client.admin.partitions(['t']).catch(() => undefined)
  }

  async function firstByte(env: Readonly<Record<string, string>>): Promise<number | undefined> {
    const server = createServer()
    opened({ close: () => server.close() })
    const byte = new Promise<number | undefined>((resolve) => {
      server.on('connection', (socket) => {
        socket.on('error', () => undefined)
        socket.once('data', (bytes: Buffer) => {
          resolve(bytes[0])
          socket.destroy()
        })
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    connected(portOf(server.address()), env)
    return byte
  }

  it('fault R7: nothing in the clear when KAFKA_TLS says so [NU8]', async () => {
    expect(await firstByte({})).toBe(0)
    expect(await firstByte({ KAFKA_TLS: 'true' })).toBe(TLS_HANDSHAKE)
  })

  it('fault R7: the mechanism that KAFKA_SASL_MECHANISM names, before any question [NU8]', async () => {
    const seen = new Promise<Seen>((resolve) => {
      void scriptedBroker(resolve).then((broker) => {
        opened(broker)
        connected(broker.port, {
          KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256',
          KAFKA_SASL_USERNAME: 'sinks',
          KAFKA_SASL_PASSWORD_FILE: password,
        })
      })
    })
    const { apiKey, body } = await seen
    expect(apiKey).toBe(SASL_HANDSHAKE)
    expect(body.string()).toBe('SCRAM-SHA-256')
  })
})
