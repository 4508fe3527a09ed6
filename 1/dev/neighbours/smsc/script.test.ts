import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeShortMessage, encodeShortMessage } from './bodies.ts'
import { TAG } from './fields.ts'
import { planFor, type Arrival } from './plan.ts'
import { renderReceipt, type Taken } from './receipts.ts'
import { DEFAULT_SCENARIO, SCENARIOS, scenarioFor, type ReceiptStep } from './script.ts'
import { Answers, Assembler, SeenSegments, type Seen } from './concatenation.ts'

const once: Arrival = { index: 1, total: 1, tries: 1, wantsReceipt: true }
const taken: Taken = {
  messageId: '1795000000000000001',
  source: { ton: 5, npi: 0, text: 'GHASI' },
  destination: { ton: 1, npi: 1, text: '447700900123' },
  text: 'Code id:1 stat:UNDELIV',
  takenAtMs: Date.UTC(2026, 3, 18, 10, 23, 40),
}
const seen = (session: number): Seen => ({ tries: 1, taken: 1, answer: { session, atMs: 5_000 } })
const DONE_MS = Date.UTC(2026, 3, 18, 10, 24, 45)
const step = (change: Partial<ReceiptStep> = {}): ReceiptStep => ({
  stat: 'DELIVRD',
  err: '000',
  when: 'first',
  form: 'both',
  id: 'same',
  segments: 'all',
  ...change,
})

describe('the script', () => {
  test('has three digits of 900 to 999 and a name of its own in every row', () => {
    expect(SCENARIOS.every(({ digits }) => /^9\d\d$/.test(digits))).toBe(true)
    expect(new Set(SCENARIOS.map(({ digits }) => digits)).size).toBe(SCENARIOS.length)
    expect(new Set(SCENARIOS.map(({ name }) => name)).size).toBe(SCENARIOS.length)
  })

  test('delivers to every number that ends with 000 to 899', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^\+44770\d{4}[0-8]\d\d$/), (to) => {
        expect(scenarioFor(to)).toBe(DEFAULT_SCENARIO)
        expect(planFor(scenarioFor(to), once)).toMatchObject({
          isTaken: true,
          receipts: [{ stat: 'DELIVRD' }],
        })
      }),
    )
  })

  test('takes every segment in the end, unless the row says always', () => {
    for (const scenario of SCENARIOS) {
      const tries = scenario.answer.kind === 'accept' ? 0 : scenario.answer.tries
      if (tries === Infinity) continue
      expect(planFor(scenario, { ...once, tries: tries + 1 })).toMatchObject({
        isTaken: true,
        reply: { kind: 'respond', status: 0, withId: true },
      })
    }
  })

  test('plans no receipt for a segment that is not taken or asks for none', () => {
    const refused = SCENARIOS.map((scenario) => planFor(scenario, once)).filter(({ isTaken }) => !isTaken)
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.flatMap(({ receipts }) => receipts)).toEqual([])
    for (const scenario of SCENARIOS)
      expect(planFor(scenario, { ...once, wantsReceipt: false }).receipts).toEqual([])
  })

  test('919 gives each segment one receipt of its own kind', () => {
    const stats = [1, 2, 3].map((index) =>
      planFor(scenarioFor('919'), { ...once, index, total: 3 }).receipts.map(({ stat }) => stat),
    )
    expect(stats).toEqual([['DELIVRD'], ['UNDELIV'], ['UNDELIV']])
  })
})

describe('a receipt', () => {
  test('has the text of SMPP 3.4 appendix B, with dates in UTC and an excerpt that cannot be taken for a key', () => {
    const { message } = renderReceipt(step({ form: 'text' }), taken, DONE_MS)
    expect(message.octets.toString('latin1')).toBe(
      'id:1795000000000000001 sub:001 dlvrd:001 submit date:2604181023 done date:2604181024 ' +
        'stat:DELIVRD err:000 text:Code id.1 stat.UNDEL',
    )
    expect(message.tlvs.size).toBe(0)
  })

  test('goes from the subscriber to the sender, marked as a receipt, whatever its form', () => {
    const forms = ['both', 'tlv', 'text', 'payload', 'ucs2', 'odd-text'] as const
    for (const form of forms) {
      const { message } = renderReceipt(step({ form }), taken, DONE_MS)
      expect(decodeShortMessage(encodeShortMessage(message))).toMatchObject({
        esmClass: 4,
        source: taken.destination,
        destination: taken.source,
      })
    }
  })

  test('in TLVs carries a closed id, the state and the network error code', () => {
    const { message } = renderReceipt(step({ form: 'tlv', stat: 'UNDELIV', err: '011' }), taken, DONE_MS)
    expect(message.octets).toHaveLength(0)
    expect(message.tlvs.get(TAG.receipted_message_id)?.toString('latin1')).toBe('1795000000000000001\0')
    expect(message.tlvs.get(TAG.message_state)).toEqual(Buffer.of(5))
    expect(message.tlvs.get(TAG.network_error_code)).toEqual(Buffer.of(3, 0, 11))
  })

  test('in odd text mixes case and order and has seconds in its dates', () => {
    const { message } = renderReceipt(step({ form: 'odd-text' }), taken, DONE_MS)
    expect(message.octets.toString('latin1')).toBe(
      'Stat:DELIVRD ERR:000 ID:1795000000000000001 Done Date:260418102445 submit date:260418102340 Text:',
    )
  })
})

describe('segments', () => {
  test('are the same when destination, reference, index and text are, and only then', () => {
    const segments = new SeenSegments()
    const place = { reference: 7, total: 2, index: 1 }
    segments.arrive('44', place, 'a').taken = 1
    expect(segments.arrive('44', place, 'a')).toMatchObject({ tries: 2, taken: 1 })
    for (const other of [
      segments.arrive('45', place, 'a'),
      segments.arrive('44', { ...place, reference: 8 }, 'a'),
      segments.arrive('44', { ...place, index: 2 }, 'a'),
      segments.arrive('44', place, 'b'),
      segments.arrive('44', undefined, 'a'),
    ])
      expect(other).toMatchObject({ tries: 1, taken: 0 })
  })

  test('prove a fault when sent again after a response that cannot have been lost', () => {
    const answers = new Answers()
    expect(answers.hasArrived({ tries: 1, taken: 1, answer: undefined })).toBe(false)
    expect(answers.hasArrived(seen(1))).toBe(true)
    answers.sessionEnded(1, 6_000)
    answers.sessionEnded(2, 6_001)
    expect([answers.hasArrived(seen(1)), answers.hasArrived(seen(2))]).toEqual([false, true])
  })

  test('join to the text in whatever order they come, once', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 2, maxLength: 8 }), fc.integer(), (parts, seed) => {
        const assembler = new Assembler()
        const total = parts.length
        const order = parts.map((_, index) => (index * 3 + Math.abs(seed)) % total)
        const shuffled = [...new Set([...order, ...parts.keys()])]
        const wholes = shuffled
          .map((at) => assembler.add('44', { reference: 1, total, index: at + 1 }, parts[at] ?? ''))
          .filter((whole) => whole !== undefined)
        expect(wholes).toEqual([parts.join('')])
      }),
    )
  })
})
