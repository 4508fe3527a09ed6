import { describe, expect, it } from 'vitest'
import { operatorRulesOf, readTopologiesConfig } from './config.ts'

const HEX = '0c0e6f0a-4b2f-4f0e-9d8e-3f1f5b1d2a44'
const OTHER = '5a2f7f5e-5f6b-4d8c-8a56-7f9f5d0c9b13'
const rulesIn = (env: Readonly<Record<string, unknown>>) =>
  operatorRulesOf(
    readTopologiesConfig({
      KAFKA_BROKERS: '127.0.0.1:9092',
      ROUTING_ENGINE_URL: '127.0.0.1:50051',
      ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, JSON.stringify(value)])),
    }),
  )

describe('how the topologies treat an operator', () => {
  it('[PD2] is in its profile, the same that the gateway reads', () => {
    const { rulesOf, strategyOf, scopeOf } = rulesIn({
      OPERATOR_OPTIONS: {
        [HEX]: { idRules: ['hex2dec'], longMessage: 'TLV', receiptScope: 'last', window: 5 },
      },
    })
    expect([rulesOf(HEX), strategyOf(HEX), scopeOf(HEX)]).toEqual([['hex2dec'], 'TLV', 'last'])
    expect([rulesOf(OTHER), strategyOf(OTHER), scopeOf(OTHER)]).toEqual([[], 'CSMS', 'all'])
  })

  it('[K2] OPERATOR_ID_RULES win for the operators that they name', () => {
    const { rulesOf } = rulesIn({
      OPERATOR_OPTIONS: { [HEX]: { idRules: ['hex2dec'] }, [OTHER]: { idRules: ['hyphens'] } },
      OPERATOR_ID_RULES: { [HEX]: ['lower'] },
    })
    expect([rulesOf(HEX), rulesOf(OTHER)]).toEqual([['lower'], ['hyphens']])
  })

  it('[K8] a receipt may take 168 h, or as many as CORRELATION_HOURS says', () => {
    expect(rulesIn({}).correlationHours).toBe(168)
    expect(rulesIn({ CORRELATION_HOURS: 48 }).correlationHours).toBe(48)
    for (const hours of [0, 721, 1.5])
      expect(() => rulesIn({ CORRELATION_HOURS: hours })).toThrow('CORRELATION_HOURS')
  })
})
