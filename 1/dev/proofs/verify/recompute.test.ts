import { describe, expect, it } from 'vitest'
import { differences, type Committed } from './recompute.ts'
import { taken } from './scene.ts'

const envelope = { schemaVersion: '1.0', eventId: 'e', occurredAt: 't' }
const left = [taken('a', 'w', 3), taken('b', 'w', 5)]
const right = [taken('c', 'w', 4)]
const total = (id: string, count: number, sum: number, max: number) => ({
  ...envelope,
  id,
  word: 'w',
  count,
  sum,
  max,
})
const span = (from: number, upTo: number, sum: number) => ({ ...envelope, word: 'w', from, upTo, sum })
const echo = (id: string, n: number, from: string) => ({ ...envelope, id, word: 'w', n, from })
const alarm = (id: string, seen = 1) => ({ ...envelope, id, seen })

const sound: Committed = {
  left,
  right,
  echoes: [echo('c', 4, 'right'), echo('a', 3, 'left'), echo('b', 5, 'left')],
  totals: [total('a', 1, 3, 3), total('c', 2, 7, 4), total('b', 3, 12, 5)],
  spans: [span(1, 2, 7), span(3, 3, 12)],
  alarms: [alarm('a'), alarm('b'), alarm('c')],
  replayed: 0,
}

describe('the recomputation of committed input', () => {
  it('finds nothing in outputs that some meeting of the two inputs explains', () => {
    expect(differences(sound)).toEqual([])
    const met = [total('c', 1, 4, 4), total('a', 2, 7, 4), total('b', 3, 12, 5)]
    expect(differences({ ...sound, totals: met })).toEqual([])
  })

  const [a, c, b] = sound.totals
  if (a === undefined || b === undefined || c === undefined) throw new Error('three totals')
  const faults: readonly (readonly [string, Partial<Committed>])[] = [
    ['an echo that is missing', { echoes: sound.echoes.slice(1) }],
    ['an echo that is there twice', { echoes: [...sound.echoes, echo('a', 3, 'left')] }],
    ['an echo of a record that was never committed', { echoes: [...sound.echoes, echo('ghost', 1, 'left')] }],
    ['a total that is repeated with the same sums', { totals: [a, a, c, b] }],
    [
      'a record that was counted twice',
      { totals: [a, total('a', 2, 6, 3), total('c', 3, 10, 4), total('b', 4, 15, 5)] },
    ],
    ['one input out of order', { totals: [total('b', 1, 5, 5), total('a', 2, 8, 5), total('c', 3, 12, 5)] }],
    ['a sum that was lost', { totals: [a, total('c', 2, 4, 4), b] }],
    ['a maximum that was lost', { totals: [a, c, total('b', 3, 12, 4)] }],
    ['spans that overlap', { spans: [span(1, 2, 7), span(2, 3, 12)] }],
    ['a span that comes twice', { spans: [span(1, 2, 7), span(1, 2, 7), span(3, 3, 12)] }],
    ['a timer that was lost', { spans: [span(1, 2, 7)] }],
    ['an alarm that is there twice', { alarms: [...sound.alarms, alarm('a')] }],
    ['an alarm that saw its echo twice', { alarms: [alarm('a', 2), alarm('b'), alarm('c')] }],
    ['an output marked as replayed', { replayed: 1 }],
  ]

  it.each(faults)('finds %s', (_, fault) => {
    expect(differences({ ...sound, ...fault })).not.toEqual([])
  })
})
