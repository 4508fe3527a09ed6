import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeUcs2 } from '../../streams/domain/message/gsm7.ts'
import { receiptInstant } from './date.ts'
import { receiptTextOf } from './octets.ts'
import { parseReceiptText } from './text.ts'

/**
 * Texts as operators really sent them, with their quirks: hex and uuid ids, missing and unknown
 * keys, padding, cut ends.
 */
const REAL: readonly (readonly [string, Record<string, string>])[] = [
  [
    'id:a29f6845555647139e5c8f3b817f2c9a sub:001 dlvrd:001 submit date:141023215253 done date:141023215259 stat:DELIVRD err:000 text:HOLA',
    { id: 'a29f6845555647139e5c8f3b817f2c9a', stat: 'DELIVRD', err: '000', doneDate: '141023215259' },
  ],
  [
    'id:c87c2273-7edb-4bc7-8d3a-7f57f21b625e submit date:201506201641 done date:201506201641 stat:DELIVRD err:000',
    { id: 'c87c2273-7edb-4bc7-8d3a-7f57f21b625e', stat: 'DELIVRD', err: '000', doneDate: '201506201641' },
  ],
  [
    'id:68673723 sub:1 dlvrd:13 submit date:1909301545 done date:1909301545 stat:DELIVRD err:0 Text:\x04\x1a',
    { id: '68673723', stat: 'DELIVRD', err: '0', doneDate: '1909301545' },
  ],
  ['362d9701 2', {}],
  [
    'id:0000436949 submit date:1504211508 done date:1504211508 stat:DELIVRD err:000\0',
    { id: '0000436949', stat: 'DELIVRD', err: '000', doneDate: '1504211508' },
  ],
  ['id:0416342074 stat:DELIVRD err:000 text:\x84A\x89O', { id: '0416342074', stat: 'DELIVRD', err: '000' }],
  ['id:6a3ed98a dlvrd:000 stat:UNDELIV err:000 text:', { id: '6a3ed98a', stat: 'UNDELIV', err: '000' }],
  [
    'id:4D19C83C stat:DELIVRD err:0000 text:GW250 MCC=270 MNC=1 BillingMNC=1',
    { id: '4D19C83C', stat: 'DELIVRD', err: '0000' },
  ],
  [
    'id:40072910491427628 stat:DELIVRD err:000 IMSI:219101 MSC:38591016 HLR:1 ORN:VipNet PON:VipNet ROC:HR MCCMNC:21910',
    { id: '40072910491427628', stat: 'DELIVRD', err: '000' },
  ],
  ['id:40072910491427629 stat:UNDELIV err: IMSI: MSC:', { id: '40072910491427629', stat: 'UNDELIV' }],
  ['id:7 stat:DELIVRD err:001', { id: '7', stat: 'DELIVRD', err: '001' }],
  [
    'id:3107071515352900930 stat:EXPIRED err:0032 text:Test Message',
    { id: '3107071515352900930', stat: 'EXPIRED', err: '0032' },
  ],
  [
    'id:04062581461644996000141 sub:001 dlvrd:001 stat:DELIVRD err:000 text:',
    { id: '04062581461644996000141', stat: 'DELIVRD', err: '000' },
  ],
  [
    'ID:1101C1-C9D03D-F000 SUB:000 DLVRD:000 STAT:ACCEPTD ERR:000',
    { id: '1101C1-C9D03D-F000', stat: 'ACCEPTD', err: '000' },
  ],
  [
    'id:SAR-2347039245475-1-1EEDF843-2-1 stat:DELIVRD',
    { id: 'SAR-2347039245475-1-1EEDF843-2-1', stat: 'DELIVRD' },
  ],
  [
    'id:86 submit date:1410160730 done date:1410160730 stat:DELIVRD',
    { id: '86', stat: 'DELIVRD', doneDate: '1410160730' },
  ],
  [
    'id:543CD34E00AA33 sub:000 dlvrd:000 submit date:1410140910 done date:1410150910 stat:EXPIRED err:027 text:Abdus invi',
    { id: '543CD34E00AA33', stat: 'EXPIRED', err: '027', doneDate: '1410150910' },
  ],
  [
    'id:2E179B310EDE971B2760C72B7F026E1B submit date:20110314181534 done date:20110314181741 stat:DELIVRD err:0',
    { id: '2E179B310EDE971B2760C72B7F026E1B', stat: 'DELIVRD', err: '0', doneDate: '20110314181741' },
  ],
  ['id:94251430923 stat:ACCEPTD err:107 text: 26F102', { id: '94251430923', stat: 'ACCEPTD', err: '107' }],
  ['id:0000003005 stat:DELIVRD err:000 te', { id: '0000003005', stat: 'DELIVRD', err: '000' }],
  [
    'id:126e85a6edeac1a02020099312479564 stat:DELIVRD err:000 Text:Hello               ',
    { id: '126e85a6edeac1a02020099312479564', stat: 'DELIVRD', err: '000' },
  ],
  ['id:1235 sub:001 Dlvrd:1 stat:DELIVRD err:0 text:aha', { id: '1235', stat: 'DELIVRD', err: '0' }],
  [
    'id:DA86D4610CE0C0D23B0165A278EC0C43 submit date:260608095640 done date:260608155641 stat:EXPIRED err:001 text:Received Rs.648.00 f',
    { id: 'DA86D4610CE0C0D23B0165A278EC0C43', stat: 'EXPIRED', err: '001', doneDate: '260608155641' },
  ],
  ['id:0911897980 stat:UNDELIV err:075 text:-PROFILE', { id: '0911897980', stat: 'UNDELIV', err: '075' }],
  [
    'id:bd778cd76ae9e79da2ddc8188c68f8c1 sub:001 dlvrd:0 stat:UNDELIV err:1 text:This is an Acti',
    { id: 'bd778cd76ae9e79da2ddc8188c68f8c1', stat: 'UNDELIV', err: '1' },
  ],
  ['id:1 stat:ENROUTE err:0 Text:', { id: '1', stat: 'ENROUTE', err: '0' }],
  ['id:1 stat:DND_REJECTED err:000 text:', { id: '1', stat: 'DND_REJECTED', err: '000' }],
  ['id:1 stat:REJECTD err:5308 text:', { id: '1', stat: 'REJECTD', err: '5308' }],
  [
    'stat:BUFFRED done date:0000000000 id:9 err:21b',
    { id: '9', stat: 'BUFFRED', err: '21b', doneDate: '0000000000' },
  ],
  ['id:1 stat:DELIVRD@@@', { id: '1', stat: 'DELIVRD' }],
  ['id: 17 stat: DELIVRD donedate:2604181023', { id: '17', stat: 'DELIVRD', doneDate: '2604181023' }],
]

/** Without the mark of the strict form, which has tests of its own. */
function read(text: string): Record<string, string> {
  const { isStrict: _, ...fields } = parseReceiptText(text)
  return fields
}

/** Spellings, separators and forms of values that other gateways have met (fault G19). */
const VARIANTS: readonly (readonly [string, Record<string, string>])[] = [
  [
    'id:17,sub:001,dlvrd:001,submit date:2604181020,done date:2604181023,stat:DELIVRD,err:000,text:x',
    { id: '17', stat: 'DELIVRD', err: '000', doneDate: '2604181023' },
  ],
  ['id:17;stat:UNDELIV;err:011', { id: '17', stat: 'UNDELIV', err: '011' }],
  ['id:17|stat:EXPIRED|err:027|text:a', { id: '17', stat: 'EXPIRED', err: '027' }],
  ['id:17:1 stat:DELIVRD err:0:12', { id: '17:1', stat: 'DELIVRD', err: '0:12' }],
  ['id:17 status:DELIVRD error:000', { id: '17', stat: 'DELIVRD', err: '000' }],
  ['message_id:17 stat:DELIVRD', { id: '17', stat: 'DELIVRD' }],
  ['messageId:17 stat:DELIVRD', { id: '17', stat: 'DELIVRD' }],
  [
    'id:17 submit_date:2604181020 done_date:2604181023 stat:DELIVRD',
    { id: '17', stat: 'DELIVRD', doneDate: '2604181023' },
  ],
  ['id:17 done  date:2604181023 stat:DELIVRD', { id: '17', stat: 'DELIVRD', doneDate: '2604181023' }],
  ['id:"17" stat:DELIVRD', { id: '17', stat: 'DELIVRD' }],
  ["id:'17' stat:'DELIVRD'", { id: '17', stat: 'DELIVRD' }],
  [
    'id:17 done date:2026-04-18 10:23:45 stat:DELIVRD',
    { id: '17', stat: 'DELIVRD', doneDate: '2026-04-18 10:23:45' },
  ],
  [
    'id:17 done date:2026-04-18T10:23:45+04:30 stat:DELIVRD',
    { id: '17', stat: 'DELIVRD', doneDate: '2026-04-18T10:23:45+04:30' },
  ],
  ['id:17 sub:001 DELIVRD err:000', { id: '17', stat: 'DELIVRD', err: '000' }],
  ['id:17 UNDELIVERABLE', { id: '17', stat: 'UNDELIVERABLE' }],
  ['id : 17 stat : DELIVRD', { id: '17', stat: 'DELIVRD' }],
]

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
