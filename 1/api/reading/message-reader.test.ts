import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { segmentViews, type SegmentRow } from './message-reader.ts'

const messageId = '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7'
const row = (segment_index: number, status: string, total_segments = 2): SegmentRow => ({
  segment_index,
  total_segments,
  status,
  error_code: status === 'FAILED' ? '099' : null,
  received_at: '2026-04-18T10:23:46.120Z',
})
const statuses = (segmentCount: number, rows: readonly SegmentRow[]) =>
  segmentViews(messageId, segmentCount, rows).map((view) => view.status)

test('DLR-020.1 every segment has an entry, PENDING where nothing has arrived', () => {
  expect(segmentViews(messageId, 2, [row(2, 'FAILED')])).toEqual([
    { messageId, segmentIndex: 1, totalSegments: 2, status: 'PENDING', errorCode: null, receivedAt: null },
    {
      messageId,
      segmentIndex: 2,
      totalSegments: 2,
      status: 'FAILED',
      errorCode: '099',
      receivedAt: '2026-04-18T10:23:46.120Z',
    },
  ])
})

test('a terminal status wins over UNKNOWN, whichever came first', () => {
  expect(statuses(2, [row(1, 'UNKNOWN'), row(1, 'DELIVERED')])).toEqual(['DELIVERED', 'PENDING'])
  expect(statuses(2, [row(1, 'DELIVERED'), row(1, 'UNKNOWN')])).toEqual(['DELIVERED', 'PENDING'])
  expect(statuses(2, [row(1, 'UNKNOWN')])).toEqual(['UNKNOWN', 'PENDING'])
})

test('the first of two terminal statuses stays', () => {
  expect(statuses(1, [row(1, 'EXPIRED', 1), row(1, 'DELIVERED', 1)])).toEqual(['EXPIRED'])
})

test('what went out decides the number of entries: one for a TLV, more for 16-bit references', () => {
  expect(statuses(3, [row(1, 'DELIVERED', 1)])).toEqual(['DELIVERED'])
  expect(statuses(2, [row(3, 'DELIVERED', 3)])).toEqual(['PENDING', 'PENDING', 'DELIVERED'])
})

test('the indexes always run from 1 to the total', () => {
  const rows = fc.array(
    fc.record({ index: fc.integer({ min: 1, max: 5 }), status: fc.constantFrom('UNKNOWN', 'DELIVERED') }),
  )
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 10 }), (given, segmentCount) => {
      const views = segmentViews(
        messageId,
        segmentCount,
        given.map(({ index, status }) => row(index, status, 5)),
      )
      const total = given.length === 0 ? segmentCount : 5
      expect(views.map((view) => view.segmentIndex)).toEqual(Array.from({ length: total }, (_, i) => i + 1))
    }),
  )
})
