import { encodePdu, decodePdu, type Pdu } from '../../smpp/pdu.ts'
import type { ReceiptContext } from '../receipt.ts'
import { REAL, VARIANTS } from './samples.suite.ts'

export const CONTEXT: ReceiptContext = {
  operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
  receivedAt: '2026-11-28T10:23:46.120Z',
  timeZone: 'UTC',
  session: 'session-1',
  source: 'both',
}

/** @throws Error for a frame that is no PDU that we know. */
export function pduOf(frame: Buffer): Pdu {
  const read = decodePdu(frame)
  if (!read.ok) throw new Error(read.reason)
  return read.pdu
}

/** A receipt of each sample, in each of its carriers. */
export const FRAMES: readonly Buffer[] = [...REAL, ...VARIANTS].flatMap(([text, { id = '1' }], at) => {
  const octets = Buffer.from(text, 'latin1')
  const addresses = { source_addr_ton: 1, source_addr: '447700900123', destination_addr: 'GHASI' }
  const tlvs = { receipted_message_id: id, message_state: 2, network_error_code: Buffer.of(3, 0, 11) }
  return [
    encodePdu('deliver_sm', at, {
      ...addresses,
      ...tlvs,
      esm_class: 4,
      short_message: octets.subarray(0, 254),
    }),
    encodePdu('deliver_sm', at, { ...addresses, esm_class: 0x44, message_payload: octets }),
    encodePdu('data_sm', at, { ...addresses, ...tlvs, message_payload: octets }),
  ]
})

/** The same numbers for the same seed (xorshift), each below `below`. */
export function seededNumbers(seed: number): (below: number) => number {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/**
 * One frame with up to six octets changed, cut out or doubled, and its length put right, as a peer
 * that counts well and writes badly would send it.
 */
export function mutated(random: (below: number) => number): Buffer {
  const frame = Buffer.from(FRAMES[random(FRAMES.length)] ?? Buffer.alloc(16))
  let octets = frame
  for (let left = 1 + random(6); left > 0; left -= 1) {
    const at = 4 + random(octets.length - 4)
    const change = random(4)
    if (change === 0 && octets.length > 20)
      octets = Buffer.concat([
        octets.subarray(0, at),
        octets.subarray(Math.min(octets.length, at + 1 + random(8))),
      ])
    else if (change === 1)
      octets = Buffer.concat([octets.subarray(0, at), octets.subarray(at, at + 8), octets.subarray(at)])
    else octets[at] = change === 2 ? random(256) : (octets[at] ?? 0) ^ (1 << random(8))
  }
  const whole = octets.length < 16 ? Buffer.concat([octets, Buffer.alloc(16 - octets.length)]) : octets
  whole.writeUInt32BE(whole.length, 0)
  return whole
}
