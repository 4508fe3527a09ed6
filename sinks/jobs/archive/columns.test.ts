import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { columnOf, UnreadableCell } from './columns.ts'
import { isDue, type ArchivedTable } from './tables.ts'

const instant = columnOf('at', 'timestamp with time zone', true)
const roundTrip = (text: string) => instant.toCell(instant.toFile(text))

describe('an instant', () => {
  it('of Postgres comes back from a file as the same text, to the microsecond, in every year that there is', () => {
    const micros = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n })
    fc.assert(
      fc.property(micros, (at) => {
        const text = instant.toCell(at) ?? ''
        expect(text).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{0,5}[1-9])?\+00$/)
        expect(instant.toFile(text)).toBe(at)
      }),
    )
  })

  it.each(['0001-01-01 00:00:00+00', '2026-04-18 10:23:40.12+00', '9999-12-31 23:59:59.999999+00'])(
    'is %s again',
    (text) => expect(roundTrip(text)).toBe(text),
  )

  it.each(['infinity', '0044-03-15 00:00:00+00 BC', '10000-01-01 00:00:00+00', '2026-04-18 10:23:40+02'])(
    'that a file cannot hold is refused and not quoted: %s',
    (text) => {
      expect(() => instant.toFile(text)).toThrow(UnreadableCell)
      expect(() => instant.toFile(text)).toThrow('a value of at has no place in a file')
    },
  )
})

const table = (hotDays: number): ArchivedTable => ({
  name: 'dlr.late_dlrs',
  hotDays,
  bucket: 'archive',
  prefix: 'x',
  inFlight: [],
})

describe('[DB71] a month', () => {
  it.each([
    ['2026-04-01', 90, '2026-07-30T00:00:00.000Z'],
    ['2026-12-01', 30, '2027-01-31T00:00:00.000Z'],
    ['2028-02-01', 90, '2028-05-30T00:00:00.000Z'],
  ])('%s with %i days is due from %s on', (month, hotDays, from) => {
    expect(isDue(table(hotDays), month, Date.parse(from))).toBe(true)
    expect(isDue(table(hotDays), month, Date.parse(from) - 1)).toBe(false)
  })
})
