import { describe, expect, it } from 'vitest'
import { createPending } from './open-requests.ts'
import { SEQUENCE_MAX, type Pdu } from './pdu.ts'

const now = (): number => performance.now()

const answer = (sequence: number, command = 'submit_sm_resp'): Pdu => ({
  command,
  sequence,
  status: 0,
  fields: {},
  tlvs: new Map(),
})

describe('sequence numbers of requests (SMPP 3.4 section 3.2)', () => {
  it('wrap from 0x7FFFFFFF to 1', () => {
    const pending = createPending(now, SEQUENCE_MAX - 1)
    const numbers = [1, 2, 3].map(() => pending.open('submit_sm', 1_000).sequence)
    expect(numbers).toEqual([SEQUENCE_MAX, 1, 2])
    pending.close()
  })

  it('nothing is kept of what was answered, refused or closed, however often', async () => {
    const pending = createPending(now)
    for (let turn = 0; turn < 100_000; turn += 1) {
      const { sequence } = pending.open('enquire_link', 1_000)
      pending.answer(answer(sequence, turn % 2 === 0 ? 'enquire_link_resp' : 'generic_nack'))
    }
    expect(pending.size).toBe(0)
    await pending.idle()
  })
})
