import { describe, expect, it } from 'vitest'
import { parseDestination } from '../../../streams/domain/message/msisdn.ts'
import { encodingOf } from '../../../streams/domain/message/text-segments.ts'
import { planMessages } from './plan.ts'

describe('the sample traffic', () => {
  const plan = planMessages(2000, 7)

  it('is the same for the same seed, and another for another', () => {
    expect(planMessages(50, 7)).toEqual(plan.slice(0, 50))
    expect(planMessages(50, 8)).not.toEqual(plan.slice(0, 50))
  })

  it('consists of numbers that the API accepts and texts within its limit', () => {
    for (const message of plan) {
      expect(parseDestination(message.to)).toEqual({ ok: true, e164: message.to })
      expect(message.body.length).toBeLessThanOrEqual(1600)
      expect(message.body).toBe(message.body.trim())
    }
    expect(new Set(plan.map((message) => message.token)).size).toBe(plan.length)
  })

  it('mixes lengths from 1 to 5 segments, both encodings, flash, repeated submissions and every way to end', () => {
    expect(new Set(plan.map((message) => message.segments))).toEqual(new Set([1, 2, 3, 4, 5]))
    expect(new Set(plan.map((message) => encodingOf(message.body)))).toEqual(new Set(['GSM7', 'UCS2']))
    expect(plan.some((message) => message.messageType === 'FLASH_SMS')).toBe(true)
    expect(new Set(plan.map((message) => message.expected)).size).toBe(9)
    const repeated = plan.filter((message) => message.repeated).length
    expect(repeated).toBeGreaterThan(60)
    expect(repeated).toBeLessThan(140)
  })
})
