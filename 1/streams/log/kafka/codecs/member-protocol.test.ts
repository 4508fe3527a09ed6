import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../wire/byte-writer.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './member-protocol.ts'

const applicant = {
  topics: ['orders', 'receipts'],
  generation: 7,
  numbers: [0, 1, 2],
  replicas: 1,
  progress: new Map([
    [0, 900],
    [4, 2 ** 40],
  ]),
}
const held = [0, 1].flatMap((partition) => ['orders', 'receipts'].map((topic) => ({ topic, partition })))
const byTopic = held.toSorted((a, b) => (a.topic < b.topic ? -1 : 1))

/** A subscription of version 0 to `orders`, with this user data. */
function subscription(userData: readonly number[] | null): Buffer {
  const out = new ByteWriter().int16(0).int32(1).string('orders')
  out.int32(userData === null ? -1 : 4 * userData.length)
  for (const number of userData ?? []) out.int32(number)
  return Buffer.from(out.buffer)
}

describe('what members say of themselves', () => {
  it('comes back as it was said', () => {
    expect(decodeSubscription('me', encodeSubscription(applicant))).toEqual({ memberId: 'me', ...applicant })
  })

  it('is understood of members that know of no standbys, and of other clients', () => {
    const former = { memberId: 'me', topics: ['orders'], replicas: 0, progress: new Map() }
    expect(decodeSubscription('me', subscription([7, 2, 0, 5]))).toEqual({
      ...former,
      generation: 7,
      numbers: [0, 5],
    })
    for (const foreign of [null, [], [1]])
      expect(decodeSubscription('me', subscription(foreign))).toEqual({
        ...former,
        generation: -1,
        numbers: [],
      })
  })
})

describe('what members get', () => {
  it('comes back as it was given', () => {
    const standbys = [
      { partition: 4, due: false },
      { partition: 5, due: true },
    ]
    expect(decodeAssignment(encodeAssignment({ held, standbys }))).toEqual({ held: byTopic, standbys })
    expect(decodeAssignment(encodeAssignment({ held: [], standbys: [] }))).toEqual({ held: [], standbys: [] })
  })

  it('is nothing for a member that the leader did not know of, and no standby from a leader that knows of none', () => {
    expect(decodeAssignment(Buffer.alloc(0))).toEqual({ held: [], standbys: [] })
    const former = new ByteWriter().int16(0).int32(1).string('orders').int32(1).int32(3).int32(-1)
    expect(decodeAssignment(Buffer.from(former.buffer))).toEqual({
      held: [{ topic: 'orders', partition: 3 }],
      standbys: [],
    })
  })
})
