import { describe, expect, it } from 'vitest'
import { writeCursorMetadata } from './cursor.ts'
import { isShort, originOf, type Known } from './origin.ts'

const cursor = (next: number, topicId?: string, metadata = writeCursorMetadata({}, { topicId })) => ({
  topic: 'in',
  partition: 0,
  next,
  metadata,
})
const known = (about: Partial<Known>): Known => ({
  topic: 'in',
  bounds: { start: 0, end: 10, topicId: 'now' },
  cursor: undefined,
  mark: undefined,
  markId: undefined,
  ...about,
})
const decided = (about: Partial<Known>) => {
  const { fate, next, mark } = originOf(known(about))
  return { fate, next, mark }
}

describe('where an input goes on', () => {
  it('is its cursor, or its first record when it was never read', () => {
    expect(decided({ cursor: cursor(4, 'now'), mark: 4, markId: 'now' })).toEqual({
      fate: 'same',
      next: 4,
      mark: 4,
    })
    expect(decided({ bounds: { start: 3, end: 9, topicId: 'now' } })).toEqual({
      fate: 'same',
      next: 3,
      mark: undefined,
    })
  })

  it('keeps its mark when only the cursor was moved, or is gone', () => {
    expect(decided({ cursor: cursor(1, undefined, ''), mark: 8, markId: 'now' })).toEqual({
      fate: 'same',
      next: 1,
      mark: 8,
    })
    expect(decided({ mark: 8, markId: 'now' })).toEqual({ fate: 'same', next: 0, mark: 8 })
  })

  it('fault R2: begins anew, and without a mark, in a topic of another id', () => {
    const recreated = { fate: 'recreated', next: 0, mark: undefined }
    expect(decided({ mark: 8, markId: 'old' })).toEqual(recreated)
    expect(decided({ cursor: cursor(8, 'old'), mark: 8, markId: 'old' })).toEqual(recreated)
    expect(decided({ cursor: cursor(8, undefined), mark: 8, markId: 'old' })).toMatchObject({
      fate: 'recreated',
      mark: undefined,
    })
    expect(decided({ cursor: cursor(8, 'old'), mark: 8 })).toEqual(recreated)
  })

  it('fault R2: keeps a cursor that counts in the new topic', () => {
    expect(decided({ cursor: cursor(2, 'now'), mark: 8, markId: 'old' })).toEqual({
      fate: 'recreated',
      next: 2,
      mark: undefined,
    })
  })

  it('fault R2: lets no cursor of another topic skip what is in this one', () => {
    expect(decided({ cursor: cursor(8, 'old'), mark: 6, markId: 'now' })).toEqual({
      fate: 'same',
      next: 0,
      mark: 6,
    })
  })

  it('fault R2: takes over what was written before ids were kept', () => {
    expect(decided({ cursor: cursor(4), mark: 6 })).toEqual({ fate: 'same', next: 4, mark: 6 })
    expect(
      decided({ bounds: { start: 0, end: 10 }, cursor: cursor(4, 'old'), mark: 6, markId: 'old' }),
    ).toEqual({
      fate: 'same',
      next: 4,
      mark: 6,
    })
  })

  it('fault R2: knows without ids that a mark beyond the end, and no cursor, is of another topic', () => {
    const about = { bounds: { start: 0, end: 3 }, mark: 8 }
    expect(isShort(known(about))).toBe(true)
    expect(decided(about)).toEqual({ fate: 'recreated', next: 0, mark: undefined })
  })

  it('fault R2: goes on at the end of a topic that was truncated, with a mark that is there', () => {
    const about = { cursor: cursor(14, 'now'), mark: 15, markId: 'now' }
    expect(isShort(known(about))).toBe(true)
    expect(decided(about)).toEqual({ fate: 'truncated', next: 10, mark: 10 })
  })

  it('fault R8: goes on where the log was cut back, though it has grown beyond the cursor since', () => {
    const cut = { ...cursor(8, 'now'), cutBackTo: 5 }
    const truncated = { fate: 'truncated', next: 5, mark: 5 }
    expect(isShort(known({ cursor: cut, mark: 8, markId: 'now' }))).toBe(false)
    expect(decided({ cursor: cut, mark: 8, markId: 'now' })).toEqual(truncated)
    expect(
      decided({ cursor: { ...cut, metadata: cursor(8, 'old').metadata }, mark: 8, markId: 'now' }),
    ).toEqual({
      fate: 'same',
      next: 0,
      mark: 8,
    })
  })
})
