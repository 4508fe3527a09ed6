import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { LogError } from '../../port.ts'
import { BrokerConnection } from './broker-connection.ts'
import { ByteWriter } from './byte-writer.ts'
import { ScramClient } from './scram.ts'
import type { SaslOptions } from './sasl.ts'
import { until } from '../../testing/scene.suite.ts'
import { SETTINGS, closedAfterEach, echo, echoed, scriptedBroker } from './testing/scripted-broker.suite.ts'
import type { ScriptedBroker, Seen } from './testing/scripted-broker.suite.ts'

const opened = closedAfterEach()

/** The example of RFC 7677, section 3. */
const RFC = {
  nonce: 'rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
}

describe('SCRAM', { timeout: 60_000 }, () => {
  it('[NU8] says what the example of RFC 7677 says', async () => {
    const client = new ScramClient('sha256', 'user', 'pencil', RFC.nonce)
    expect(client.first()).toBe(`n,,n=user,r=${RFC.nonce}`)
    expect(await client.final(RFC.serverFirst)).toBe(RFC.clientFinal)
    client.verify(RFC.serverFinal)
  })

  it('[NU8] believes no server that does not know the password', async () => {
    const client = new ScramClient('sha256', 'user', 'pencil', RFC.nonce)
    expect(() => client.verify(RFC.serverFinal)).toThrow('does not know the password')
    await client.final(RFC.serverFirst)
    for (const final of ['', 'v=', 'e=other-error', `v=${'A'.repeat(43)}=`])
      expect(() => client.verify(final)).toThrow('does not know the password')
  })

  it.each([
    ['another exchange', 'r=else,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'],
    ['another exchange', `r=${RFC.nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['not between', RFC.serverFirst.replace('4096', '1')],
    ['not between', RFC.serverFirst.replace('4096', '99999999')],
    ['not between', RFC.serverFirst.replace('4096', 'x')],
  ])('[NU8] refuses %s', async (why, serverFirst) => {
    const client = new ScramClient('sha256', 'user', 'pencil', RFC.nonce)
    await expect(client.final(serverFirst)).rejects.toThrow(why)
  })

  it('[NU8] writes a name with a comma so that it stays one', () => {
    expect(new ScramClient('sha512', 'a=b,c', '', 'n').first()).toBe('n,,n=a=3Db=2Cc,r=n')
  })
})

const USER = { username: 'user', password: 'pencil' }

interface Behaviour {
  readonly password?: string
  readonly lifeMs?: number
  /** What stands at the place of the server's signature. */
  readonly signature?: string
}

/** A broker that takes PLAIN and SCRAM, and echoes to those that it has let in. */
class Guard {
  readonly #behaviour: Behaviour
  readonly #inside = new Set<unknown>()
  readonly #mechanisms = new Map<unknown, string>()

  constructor(behaviour: Behaviour) {
    this.#behaviour = behaviour
  }

  readonly take = (seen: Seen): void => {
    if (seen.apiKey === 17) this.#offer(seen)
    else if (seen.apiKey === 36) this.#judge(seen, seen.body.prefixed().toString())
    else if (this.#inside.has(seen.socket)) seen.socket.write(echoed(seen))
  }

  #offer(seen: Seen): void {
    const mechanism = seen.body.string()
    this.#mechanisms.set(seen.socket, mechanism)
    const code = mechanism === 'SCRAM-SHA-512' ? 33 : 0
    const body = new ByteWriter().int16(code).int32(2).string('PLAIN').string('SCRAM-SHA-256')
    seen.socket.write(seen.answer(body.buffer))
  }

  #judge(seen: Seen, said: string): void {
    const { password = USER.password, signature = RFC.serverFinal } = this.#behaviour
    if (this.#mechanisms.get(seen.socket) === 'PLAIN')
      return this.#letIn(seen, said === `\0user\0${password}`, '')
    if (said.startsWith('n,,')) return this.#reply(seen, 0, RFC.serverFirst)
    return this.#letIn(seen, said === RFC.clientFinal && password === USER.password, signature)
  }

  #letIn(seen: Seen, isRight: boolean, bytes: string): void {
    if (isRight) this.#inside.add(seen.socket)
    this.#reply(seen, isRight ? 0 : 58, bytes)
  }

  #reply(seen: Seen, code: number, bytes: string): void {
    const { lifeMs = 0 } = this.#behaviour
    const body = new ByteWriter()
      .int16(code)
      .string(code === 0 ? null : 'no')
      .bytes(Buffer.from(bytes))
    seen.socket.write(seen.answer(body.int64(lifeMs).buffer))
  }
}

async function connectedTo(
  behaviour: Behaviour,
  sasl: SaslOptions,
): Promise<{ broker: ScriptedBroker; connection: BrokerConnection }> {
  const broker = await scriptedBroker(new Guard(behaviour).take)
  const place = { host: '127.0.0.1', port: broker.port }
  const connection = new BrokerConnection(place, { ...SETTINGS, sasl })
  opened(broker)
  return { broker, connection: opened(connection) }
}

async function refusalOf(behaviour: Behaviour, sasl: SaslOptions): Promise<LogError> {
  const { broker, connection } = await connectedTo(behaviour, sasl)
  const error = await connection.send(echo('in')).catch((caught: unknown) => caught)
  expect(broker.seen.some(({ apiKey }) => apiKey === 99)).toBe(false)
  if (!(error instanceof LogError)) throw new Error(`expected a LogError, got ${String(error)}`)
  return error
}

describe('a broker that wants to know who we are', { timeout: 60_000 }, () => {
  it.each(['PLAIN', 'SCRAM-SHA-256'] as const)('fault R7: lets us in by %s', async (mechanism) => {
    const { connection } = await connectedTo({}, { mechanism, ...USER })
    expect(await connection.send(echo('in'))).toEqual({ text: 'in' })
  })

  it.each(['PLAIN', 'SCRAM-SHA-256'] as const)(
    'fault R7: refuses a wrong password by %s, and nobody repeats it',
    async (mechanism) => {
      const error = await refusalOf({ password: 'other' }, { mechanism, ...USER })
      expect(error).toMatchObject({ code: 'fatal', message: `the broker refuses ${mechanism}: error 58` })
    },
  )

  it('fault R7: says which mechanisms there are instead', async () => {
    const error = await refusalOf({}, { mechanism: 'SCRAM-SHA-512', ...USER })
    expect(error.message).toBe('the broker refuses SCRAM-SHA-512: it takes PLAIN, SCRAM-SHA-256')
  })

  it('fault R7: is not believed when it does not know the password itself', async () => {
    const forged = { signature: 'v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' }
    const error = await refusalOf(forged, { mechanism: 'SCRAM-SHA-256', ...USER })
    expect(error.message).toBe('the broker refuses SCRAM-SHA-256: the server does not know the password')
  })

  it('gets another connection before the session of this one ends (KIP-368)', async () => {
    const { broker, connection } = await connectedTo({ lifeMs: 1 }, { mechanism: 'PLAIN', ...USER })
    expect(await connection.send(echo('one'))).toEqual({ text: 'one' })
    await until('another connection', async () => {
      expect(await connection.send(echo('two'))).toEqual({ text: 'two' })
      return broker.connections() > 1
    })
  })
})

const hmac = (key: Buffer, text: string) => createHmac('sha512', key).update(text).digest()

describe('SHA-512', { timeout: 60_000 }, () => {
  it('[NU8] proves itself to a server that computes as RFC 5802 says', async () => {
    const client = new ScramClient('sha512', 'user', 'secret', 'client')
    const serverFirst = `r=clientserver,s=${Buffer.from('salt').toString('base64')},i=4096`
    const final = await client.final(serverFirst)
    const salted = pbkdf2Sync('secret', 'salt', 4096, 64, 'sha512')
    const message = `n=user,r=client,${serverFirst},c=biws,r=clientserver`
    const stored = createHash('sha512').update(hmac(salted, 'Client Key')).digest()
    const proof = Buffer.from(final.slice(final.indexOf(',p=') + 3), 'base64')
    const key = proof.map((byte, i) => byte ^ (hmac(stored, message)[i] ?? 0))
    expect(createHash('sha512').update(key).digest().equals(stored)).toBe(true)
    client.verify(`v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`)
  })
})
