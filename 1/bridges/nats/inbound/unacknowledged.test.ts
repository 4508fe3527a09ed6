import { describe, expect, test } from 'vitest'
import { UnacknowledgedMessages } from './unacknowledged.ts'

class Message {
  readonly seq: number
  readonly timestampNanos: bigint
  readonly data: Uint8Array
  acks = 0
  workings = 0

  constructor(seq: number, bytes = 10, timestampNanos = 1n) {
    this.seq = seq
    this.timestampNanos = timestampNanos
    this.data = new Uint8Array(bytes)
  }

  ack(): void {
    this.acks += 1
  }

  working(): void {
    this.workings += 1
  }
}

const holding = (...messages: readonly Message[]): UnacknowledgedMessages<Message> => {
  const unacknowledged = new UnacknowledgedMessages<Message>()
  for (const message of messages) unacknowledged.take(message)
  return unacknowledged
}

const seqs = (messages: readonly Message[]): readonly number[] => messages.map(({ seq }) => seq)

describe('unacknowledged messages', () => {
  test('come back in the order of their first delivery, within both limits', () => {
    const unacknowledged = holding(new Message(1), new Message(2), new Message(3), new Message(4))
    expect(seqs(unacknowledged.oldest(3, 1_000))).toEqual([1, 2, 3])
    expect(seqs(unacknowledged.oldest(9, 25))).toEqual([1, 2])
  })

  test('one that is larger than the limit goes alone, so that it cannot block', () => {
    const unacknowledged = holding(new Message(1, 900), new Message(2))
    expect(seqs(unacknowledged.oldest(9, 100))).toEqual([1])
  })

  test('a redelivery keeps its place and takes the acknowledgement', () => {
    const [early, late] = [new Message(1), new Message(1)]
    const unacknowledged = holding(early, new Message(2), late)
    expect(seqs(unacknowledged.oldest(9, 1_000))).toEqual([1, 2])
    unacknowledged.acknowledge(early)
    expect([early.acks, late.acks, unacknowledged.size]).toEqual([0, 1, 1])
  })

  test('the same sequence of a stream that was made again is another message', () => {
    const unacknowledged = holding(new Message(1, 10, 1n), new Message(1, 10, 2n))
    expect(unacknowledged.size).toBe(2)
  })

  test('all of them are being worked on until acknowledged', () => {
    const [one, two] = [new Message(1), new Message(2)]
    const unacknowledged = holding(one, two)
    unacknowledged.working()
    unacknowledged.acknowledge(one)
    unacknowledged.working()
    expect([one.workings, two.workings]).toEqual([1, 2])
  })
})
