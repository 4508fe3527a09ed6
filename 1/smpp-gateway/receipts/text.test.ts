import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeUcs2 } from '../../streams/domain/message/gsm7.ts'
import { receiptInstant } from './date.ts'
import { receiptTextOf } from './octets.ts'
import { REAL, VARIANTS } from './testing/samples.suite.ts'
import { parseReceiptText } from './text.ts'

/** Without the mark of the strict form, which has tests of its own. */
function read(text: string): Record<string, string> {
  const { isStrict: _, ...fields } = parseReceiptText(text)
  return fields
}

describe('CON-5.8 receipt texts', () => {
  it.each(REAL)('reads %j', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  it.each(VARIANTS)('fault G19: reads %j', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  it.each([
    ['id:1 sub:001 stat:DELIVRD', true],
    ['id:1 submit date:2604181020 stat:DELIVRD', true],
    ['id:1 done date:2604181023 stat:DELIVRD', true],
    ['id:1 stat:DELIVRD', false],
    ['sub:001 stat:DELIVRD done date:2604181023', false],
    ['id:1 sub:001 text:stat:DELIVRD', false],
    ['Meet me at 5, id: 7', false],
  ])('[R1] the strict form of a receipt: %j is %j', (text, expected) => {
    expect(parseReceiptText(text).isStrict).toBe(expected)
  })

  it('reads the plain form as the rules for all others do', () => {
    const digits = fc.stringMatching(/^\d{1,14}$/)
    const receipt = fc.record({
      id: fc.stringMatching(/^[\w-]{1,20}$/),
      counts: fc.tuple(digits, digits),
      dates: fc.tuple(digits, digits),
      stat: fc.constantFrom('DELIVRD', 'UNDELIV', 'SENT', 'X'),
      err: fc.stringMatching(/^\w{1,5}$/),
      end: fc.constantFrom(
        '',
        ' text:',
        ' Text:id:2 stat:REJECTD',
        ' text:a\nb',
        '\n',
        ' TEXT:x',
        ' more:1',
        '.5',
        ',x',
        '\0',
      ),
    })
    fc.assert(
      fc.property(receipt, ({ id, counts: [sub, dlvrd], dates: [from, to], stat, err, end }) => {
        const dates = `submit date:${from} done date:${to}`
        const text = `id:${id} sub:${sub} dlvrd:${dlvrd} ${dates} stat:${stat} err:${err}${end}`
        // A blank before it, and it is plain no more.
        expect(parseReceiptText(text)).toEqual(parseReceiptText(` ${text}`))
      }),
    )
  })

  it('never believes the sender: keys after text: are his words', () => {
    const forged = 'id:1 stat:UNDELIV err:011 text:id:2 stat:DELIVRD err:000'
    expect(read(forged)).toEqual({ id: '1', stat: 'UNDELIV', err: '011' })
    expect(read('sub:001 text:id:2 stat:DELIVRD')).toEqual({})
  })

  it('reads the keys in any order and case', () => {
    const parts = [
      'id:ABC-1',
      'sub:001',
      'dlvrd:001',
      'submit date:2604181020',
      'done date:2604181023',
      'stat:DELIVRD',
      'err:000',
    ]
    const shuffled = fc.shuffledSubarray(parts, { minLength: parts.length })
    fc.assert(
      fc.property(shuffled, fc.boolean(), (order, upper) => {
        const cased = order.map((part) => (upper ? part.replace(/^[^:]+/, (key) => key.toUpperCase()) : part))
        expect(read(`${cased.join(' ')} text:x`)).toEqual({
          id: 'ABC-1',
          stat: 'DELIVRD',
          err: '000',
          doneDate: '2604181023',
        })
      }),
    )
  })

  it('honours UCS-2, and sees through ASCII that is declared as UCS-2', () => {
    const text = 'id:S21311242091636504458661711 sub:001 stat:DELIVRD text:'
    expect(receiptTextOf(encodeUcs2(text), 0x08)).toBe(text)
    expect(receiptTextOf(Buffer.from(text, 'latin1'), 0x08)).toBe(text)
    expect(receiptTextOf(Buffer.from('stat:DND\x11REJECTED', 'latin1'), 0)).toBe('stat:DND_REJECTED')
  })

  it('fault G19: sees UTF-16 by its NULs, whatever data_coding says, and in either order', () => {
    const text = 'id:17 sub:001 dlvrd:001 stat:DELIVRD err:000 text:'
    for (const dataCoding of [0x00, 0x03, 0x08]) {
      expect(receiptTextOf(encodeUcs2(text), dataCoding)).toBe(text)
      expect(receiptTextOf(Buffer.from(text, 'utf16le'), dataCoding)).toBe(text)
    }
  })
})

const ARRIVAL_MS = Date.parse('2026-11-28T09:02:00Z')

describe('CON-5.8 receipt dates', () => {
  it.each([
    ['2604181023', '2026-04-18T10:23:00.000Z'],
    ['260418102345', '2026-04-18T10:23:45.000Z'],
    ['202604181023', '2026-04-18T10:23:00.000Z'],
    ['201506201641', '2015-06-20T16:41:00.000Z'],
    ['20110314181741', '2011-03-14T18:17:41.000Z'],
    ['0000000000', null],
    ['000000000000', null],
    ['2604311023', null],
    ['260418', null],
    ['2604182560', null],
    ['', null],
    ['abcdefghij', null],
  ])('%s is %s', (digits, expected) => {
    expect(receiptInstant(digits, 'UTC', ARRIVAL_MS)).toBe(expected)
  })

  it.each([
    ['261128090100000+', '2026-11-28T09:01:00.000Z'],
    ['261128133100018+', '2026-11-28T09:01:00.000Z'],
    ['261128040100020-', '2026-11-28T09:01:00.000Z'],
    ['261128090100000R', null],
    ['1795856460', '2026-11-28T09:01:00.000Z'],
    ['1795856460123', '2026-11-28T09:01:00.123Z'],
    ['2026-11-28T09:01:00Z', '2026-11-28T09:01:00.000Z'],
    ['2026-11-28T09:01:00.500+00:00', '2026-11-28T09:01:00.000Z'],
    ['2026-11-28T13:31:00+0430', '2026-11-28T09:01:00.000Z'],
    ['2026-11-28 09:01', '2026-11-28T09:01:00.000Z'],
    ['2026/11/28 09:01:30', '2026-11-28T09:01:30.000Z'],
    ['2026-02-30 09:01', null],
  ])('fault G19: [R4] %s is %s', (text, expected) => {
    expect(receiptInstant(text, 'UTC', ARRIVAL_MS)).toBe(expected)
  })

  it('[R4] takes nothing from a clock that is more than ten minutes ahead', () => {
    expect(receiptInstant('2611280915', 'UTC', Date.parse('2026-11-28T09:05:00Z'))).toBe(
      '2026-11-28T09:15:00.000Z',
    )
    expect(receiptInstant('2611280916', 'UTC', Date.parse('2026-11-28T09:05:00Z'))).toBeNull()
  })

  it('of digits that are a date and Unix seconds takes what is nearer to the arrival', () => {
    const unix = String(Date.parse('2027-01-27T00:46:40Z') / 1000)
    expect(unix).toBe('1801010800')
    expect(receiptInstant(unix, 'UTC', Date.parse('2027-01-27T00:47:00Z'))).toBe('2027-01-27T00:46:40.000Z')
    expect(receiptInstant(unix, 'UTC', Date.parse('2018-01-01T08:01:00Z'))).toBe('2018-01-01T08:00:00.000Z')
  })

  it('takes the operator for local where it has a zone, summer time included', () => {
    expect(receiptInstant('2604181023', 'Asia/Kabul', ARRIVAL_MS)).toBe('2026-04-18T05:53:00.000Z')
    expect(receiptInstant('2601181023', 'Europe/London', ARRIVAL_MS)).toBe('2026-01-18T10:23:00.000Z')
    expect(receiptInstant('2607181023', 'Europe/London', ARRIVAL_MS)).toBe('2026-07-18T09:23:00.000Z')
  })
})
