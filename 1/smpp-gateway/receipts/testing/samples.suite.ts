/** A text, and what stands in it. */
export type Sample = readonly [string, Record<string, string>]

/**
 * Texts as operators really sent them, with their quirks: hex and uuid ids, missing and unknown
 * keys, padding, cut ends.
 */
export const REAL: readonly Sample[] = [
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
  [
    'id:3b08ca73-4244-4717-9e88-082414ff3d2e submit date:202009281149 done date:202009281149 stat:DELIVRD err:000',
    { id: '3b08ca73-4244-4717-9e88-082414ff3d2e', stat: 'DELIVRD', err: '000', doneDate: '202009281149' },
  ],
  [
    'id:S21311242091636504458661711 sub:001 dlvrd:001 submit date:2111242116 done date:2111242117 stat:DELIVRD err:000 text:',
    { id: 'S21311242091636504458661711', stat: 'DELIVRD', err: '000', doneDate: '2111242117' },
  ],
  ['id:68673724 stat:UNDELIV err:501 Text:', { id: '68673724', stat: 'UNDELIV', err: '501' }],
  ['id:9 stat:ACKED err:000', { id: '9', stat: 'ACKED', err: '000' }],
  ['id:9 stat:BUFFERD err:000', { id: '9', stat: 'BUFFERD', err: '000' }],
  ['id:9 stat:NACK err:000', { id: '9', stat: 'NACK', err: '000' }],
  ['id:9 stat:FAILED err:4375', { id: '9', stat: 'FAILED', err: '4375' }],
  ['id:9 stat:REJECTED err:00B', { id: '9', stat: 'REJECTED', err: '00B' }],
]

/** Spellings, separators and forms of values that other gateways have met (fault G19). */
export const VARIANTS: readonly Sample[] = [
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
