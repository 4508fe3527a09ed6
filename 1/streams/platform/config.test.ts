import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  commonEnv,
  ConfigError,
  flag,
  list,
  logEnv,
  milliseconds,
  natsEnv,
  port,
  positive,
  readConfig,
  redisEnv,
} from './config.ts'

/** What a process says when its environment is wrong. */
function refusal(shape: z.ZodRawShape, env: Readonly<Record<string, string | undefined>>): string {
  try {
    readConfig(shape, env)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error('the environment was accepted')
}

describe('an invalid environment', () => {
  it('is refused with every faulty variable named, not only the first', () => {
    const shape = { ...commonEnv, ...logEnv, PORT: port, DATABASE_URL: z.string() }
    const said = refusal(shape, { PORT: '70000', LOG_LEVEL: 'loud', LOG_PARTITIONS: '0', HOST: 'localhost' })

    for (const name of ['PORT', 'LOG_LEVEL', 'LOG_PARTITIONS', 'KAFKA_BROKERS', 'DATABASE_URL'])
      expect(said).toContain(`${name}: `)
    expect(said).not.toContain('HOST')
    expect(said).not.toContain('LOG_REPLICAS')
  })

  it('is never quoted: a value may be a secret', () => {
    const shape = {
      ...commonEnv,
      PORT: port,
      WAIT_MS: milliseconds,
      LIMIT: positive,
      ENABLED: flag,
      NAME: z.string().max(4),
      ID: z.uuid(),
      KEY: z.string().regex(/^[a-z]{4}$/),
      HOSTS: list.pipe(z.array(z.string().max(2)).max(1)),
    }
    const names = ['PORT', 'WAIT_MS', 'LIMIT', 'ENABLED', 'NAME', 'ID', 'KEY', 'HOSTS', 'LOG_LEVEL']
    const secret = fc.string({ minLength: 1 }).map((text) => `hunter2 ${text}`)
    fc.assert(
      fc.property(secret, (value) => {
        const said = refusal(shape, Object.fromEntries(names.map((name) => [name, value])))
        expect(said).not.toContain('hunter2')
        for (const name of names) expect(said).toContain(name)
      }),
    )
  })

  it('fault R7: names what is wrong with a NATS address, and never its password', () => {
    for (const url of [
      'localhost:4222',
      'nats://a:hunter2@',
      'tls://a:hunter2@10.0.0.1',
      'nats://a, http://b',
    ]) {
      const said = refusal(natsEnv, { NATS_URL: url })
      expect(said).toContain('NATS_URL: ')
      expect(said).not.toContain('hunter2')
    }
    const NATS_URL = 'tls://user:secret@one:4222, tls://two'
    expect(readConfig(natsEnv, { NATS_URL })).toEqual({ NATS_URL })
  })

  it('counts a blank variable as one that is not given', () => {
    expect(refusal({ DATABASE_URL: z.string() }, { DATABASE_URL: '' })).toContain('DATABASE_URL')
    expect(refusal({ PORT: port }, { PORT: ' ' })).toContain('PORT')
    expect(readConfig(commonEnv, { LOG_LEVEL: '', HOST: '' })).toMatchObject({
      LOG_LEVEL: 'info',
      HOST: '127.0.0.1',
    })
  })
})

describe('a valid environment', () => {
  it('gives typed values and only what was asked for', () => {
    const shape = { PORT: port, ENABLED: flag, NAMES: list }
    const env = { PORT: '0', ENABLED: '1', NAMES: ' a, ,b,', PATH: '/usr/bin' }
    expect(readConfig(shape, env)).toEqual({ PORT: 0, ENABLED: true, NAMES: ['a', 'b'] })
  })

  it.each([
    ['true', true],
    ['1', true],
    ['false', false],
    ['0', false],
  ])('reads the flag %s as %s', (text, value) => {
    expect(readConfig({ ENABLED: flag }, { ENABLED: text }).ENABLED).toBe(value)
  })

  it.each(['-1', '65536', '1.5', 'http'])('takes %j for no port', (text) => {
    expect(refusal({ PORT: port }, { PORT: text })).toContain('PORT')
  })
})

describe('the slices', () => {
  it('give the production figures when nothing but the brokers is said', () => {
    expect(readConfig(logEnv, { KAFKA_BROKERS: 'one:9092, two:9092' })).toEqual({
      KAFKA_BROKERS: ['one:9092', 'two:9092'],
      KAFKA_TLS: false,
      KAFKA_COMPRESSION: 'none',
      LOG_PARTITIONS: 12,
      LOG_REPLICAS: 3,
    })
  })

  it('know no default for the brokers', () => {
    expect(refusal(logEnv, {})).toContain('KAFKA_BROKERS')
    expect(refusal(logEnv, { KAFKA_BROKERS: ' , ' })).toContain('KAFKA_BROKERS')
  })

  it('find NATS and Redis on this machine unless told otherwise', () => {
    expect(readConfig({ ...natsEnv, ...redisEnv }, {})).toEqual({
      NATS_URL: 'nats://localhost:4222',
      REDIS_URL: 'redis://localhost:6379',
    })
    expect(readConfig(natsEnv, { NATS_URL: 'nats://n:1', NATS_CREDS: 'file' })).toEqual({
      NATS_URL: 'nats://n:1',
      NATS_CREDS: 'file',
    })
  })
})
