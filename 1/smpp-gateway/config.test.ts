import { describe, expect, it } from 'vitest'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readGatewayConfig, TIMINGS, timingsFor } from './config.ts'

const ID = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const env = {
  OPERATOR_IDS: ID,
  OPERATOR_MGMT_URL: 'http://127.0.0.1:3020',
  INTERNAL_SERVICE_TOKEN: 'token-of-test',
}

describe('environment', () => {
  it('CON-4.1 takes the operators that it is assigned, and the documented defaults', () => {
    const config = readGatewayConfig(env)
    expect(config).toMatchObject({
      OPERATOR_IDS: [ID],
      PORT: 3001,
      RESPONSE_TIMEOUT_MS: 30_000,
      OPERATOR_OPTIONS: {},
    })
  })

  it.each([
    [{ OPERATOR_IDS: 'not-a-uuid' }, 'OPERATOR_IDS'],
    [{ OPERATOR_IDS: '' }, 'OPERATOR_IDS'],
    [{ OPERATOR_OPTIONS: '{' }, 'OPERATOR_OPTIONS'],
    [{ OPERATOR_OPTIONS: JSON.stringify({ [ID]: { windw: 5 } }) }, 'OPERATOR_OPTIONS'],
    [{ OPERATOR_OPTIONS: JSON.stringify({ [ID]: { timeZone: 'Mars/Base' } }) }, 'OPERATOR_OPTIONS'],
    [
      { OPERATOR_OPTIONS: JSON.stringify({ [ID]: { statusOverrides: { '0x45': 'maybe' } } }) },
      'OPERATOR_OPTIONS',
    ],
  ])('CON-4.1 does not start with %j', (change, name) => {
    expect(() => readGatewayConfig({ ...env, ...change })).toThrow(name)
  })

  it('[PD2] reads the profiles from a file, and names it when that cannot be read', () => {
    const folder = mkdtempSync(join(tmpdir(), 'profiles-'))
    try {
      const path = join(folder, 'operators.json')
      writeFileSync(path, JSON.stringify({ [ID]: { charset: 'latin1', timers: { responseMs: 7_000 } } }))
      const settings = readGatewayConfig({ ...env, OPERATOR_OPTIONS: path }).OPERATOR_OPTIONS[ID]
      expect(settings).toMatchObject({
        charset: 'latin1',
        longMessage: 'CSMS',
        tls: null,
        idRules: ['exact'],
      })
      if (settings === undefined) throw new Error('no profile')
      expect(timingsFor(TIMINGS, settings)).toEqual({ ...TIMINGS, responseMs: 7_000 })
      expect(() => readGatewayConfig({ ...env, OPERATOR_OPTIONS: join(folder, 'none.json') })).toThrow(
        'OPERATOR_OPTIONS',
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('reads the options of an operator, each with its default', () => {
    const given = {
      [ID]: { window: 50, inDoubt: 'drop', statusOverrides: { '0x45': 'transient', 20: 'permanent' } },
    }
    const settings = readGatewayConfig({ ...env, OPERATOR_OPTIONS: JSON.stringify(given) }).OPERATOR_OPTIONS[
      ID
    ]
    expect(settings).toMatchObject({
      window: 50,
      inDoubt: 'drop',
      refBits: 8,
      failoverAfterMs: 30_000,
      timeZone: 'UTC',
    })
    expect([...(settings?.statusOverrides ?? [])]).toEqual(
      expect.arrayContaining([
        [0x45, 'transient'],
        [20, 'permanent'],
      ]),
    )
  })
})
