import { describe, expect, it } from 'vitest'
import { decode, encode } from '../../streams/contracts/decode.ts'
import { inboundReceipts } from '../../streams/contracts/receipts.ts'
import { decodePdu } from '../smpp/pdu.ts'
import { isReceipt, readReceipt } from './receipt.ts'
import { CONTEXT, mutated, seededNumbers } from './testing/mutations.suite.ts'

/**
 * For more: `MUTATED_PDUS=2000000 npm test -- --pure smpp-gateway/receipts/mutations.test.ts`, and
 * MUTATION_SEED for others.
 */
const PDUS = Number(process.env['MUTATED_PDUS'] ?? 200_000)
const SEED = Number(process.env['MUTATION_SEED'] ?? 20_261_128)

describe('PDUs that a peer has damaged', () => {
  it(`${PDUS} of them are read to an event, or refused as a value; nothing throws and nothing hangs`, () => {
    const random = seededNumbers(SEED)
    let receipts = 0
    let refused = 0
    const misread: unknown[] = []
    for (let turn = 0; turn < PDUS; turn += 1) {
      const read = decodePdu(mutated(random))
      if (!read.ok) {
        refused += 1
        continue
      }
      if (!isReceipt(read.pdu)) continue
      const event = readReceipt(read.pdu, CONTEXT)
      receipts += 1
      // One in a hundred: to decode is a reader's work and costs more than all the rest.
      if (turn % 100 !== 0) continue
      const { operatorMessageId, stat } = event
      const isNamed = operatorMessageId !== '' && operatorMessageId.length <= 64 && stat !== ''
      if (decode(inboundReceipts, Buffer.from(encode(event))).ok !== isNamed) misread.push(event.rawPayload)
    }
    expect(misread).toEqual([])
    expect(receipts).toBeGreaterThan(PDUS / 2)
    expect(refused).toBeGreaterThan(0)
  }, 300_000)
})
