import { afterEach, expect, test } from 'vitest'
import { part, receiptsOf, Rig, submit, submitsOf, textOf, waitForReceipts } from './rig.ts'

const rig = new Rig()
afterEach(() => rig.close())

test.each([
  ['901', [5], 'stat:UNDELIV err:011'],
  ['903', [8], 'stat:REJECTD'],
  ['904', [3], 'stat:EXPIRED'],
  ['905', [4], 'stat:DELETED'],
  ['906', [undefined], 'stat:FAILED'],
  ['907', [6, 2], 'stat:ACCEPTD'],
  ['908', [7, 5], 'stat:UNKNOWN'],
  ['909', [1, 2], 'stat:ENROUTE'],
  ['910', [2, 2], 'stat:DELIVRD'],
  ['911', [2, 2], 'stat:DELIVRD'],
  ['912', [2, 5], 'stat:DELIVRD'],
  ['921', [2], '""'],
  ['922', [undefined], 'stat:DELIVRD'],
  ['923', [undefined], 'stat:DELIVRD'],
  ['925', [undefined], 'stat:DELIVRD'],
  ['926', [undefined], 'Stat:DELIVRD ERR:000 ID:'],
  ['928', [undefined, 2], 'STOP'],
])('a number that ends with %s brings receipts of state %j', async (digits, states, text) => {
  const esme = await rig.bind(await rig.start())
  await submit(esme, `447700900${digits}`)
  const receipts = await waitForReceipts(esme, states.length)
  expect(receipts.map((receipt) => receipt['message_state'])).toEqual(states)
  expect(textOf(receipts[0])).toContain(text)
})

test.each([
  ['902', 0x0b],
  ['933', 0x08],
  ['934', 0x45],
  ['939', 0xc1],
])(
  'a number that ends with %s is refused with status %i every time, and gets no receipt',
  async (digits, status) => {
    const smsc = await rig.start()
    const esme = await rig.bind(smsc)
    for (const _ of [1, 2]) {
      const answer = await submit(esme, `447700900${digits}`)
      expect([answer.command, answer.command_status]).toEqual(['submit_sm_resp', status])
    }
    expect(smsc.counters()).toMatchObject({ refused: 2, taken: 0, receiptsPlanned: 0 })
  },
)

test.each([
  ['930', [0x58, 0x58, 0x58, 0]],
  ['931', [0x14, 0x14, 0x14, 0]],
  ['932', [0x08, 0]],
  ['935', [0x04, 0]],
])('a number that ends with %s is refused for its first tries: %j', async (digits, statuses) => {
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
  const seen: number[] = []
  for (const _ of statuses) seen.push((await submit(esme, `447700900${digits}`)).command_status)
  expect(seen).toEqual(statuses)
  expect(smsc.counters()).toMatchObject({ taken: 1, duplicates: 0 })
})

test('generic_nack answers a submit where the script says so', async () => {
  const esme = await rig.bind(await rig.start())
  expect(await submit(esme, '447700900936')).toMatchObject({ command: 'generic_nack', command_status: 3 })
  expect(await submit(esme, '447700900937')).toMatchObject({ command: 'generic_nack', command_status: 8 })
  expect(await submit(esme, '447700900937')).toMatchObject({ command: 'submit_sm_resp', command_status: 0 })
})

test('913: the receipt comes before the response, in one TCP segment with it', async () => {
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
  const answer = await submit(esme, '447700900913')
  expect(esme.arrived.map(({ command }) => command).slice(1)).toEqual(['deliver_sm', 'submit_sm_resp'])
  expect(receiptsOf(esme)[0]?.['receipted_message_id']).toBe(answer['message_id'])
})

test('914 and 915: the ids of response and receipt differ in base, zeros or case', async () => {
  const esme = await rig.bind(await rig.start())
  const hex = String((await submit(esme, '447700900914'))['message_id'])
  const [padded] = await waitForReceipts(esme, 1)
  expect(padded?.['receipted_message_id']).toBe(`000${BigInt(`0x${hex}`)}`)
  const lower = String((await submit(esme, '447700900915'))['message_id'])
  expect(lower).toMatch(/[a-f]/)
  expect((await waitForReceipts(esme, 2))[1]?.['receipted_message_id']).toBe(lower.toUpperCase())
})

test('916 to 918 and 927: no receipt, a receipt for an unknown id, both, and one without an id', async () => {
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
  await submit(esme, '447700900916')
  const orphan = await submit(esme, '447700900917')
  const [foreign] = await waitForReceipts(esme, 1)
  expect(foreign?.['receipted_message_id']).toBe(`404${String(orphan['message_id'])}`)
  await submit(esme, '447700900918')
  await waitForReceipts(esme, 3)
  await submit(esme, '447700900927')
  const last = (await waitForReceipts(esme, 4))[3]
  expect(last?.['receipted_message_id']).toBeUndefined()
  expect(textOf(last)).not.toContain('id:')
  expect(smsc.counters().receiptsPlanned).toBe(4)
})

test('parts are recorded by reference and index, joined to the text, and 919 reports them differently', async () => {
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
  const second = await submit(esme, '447700900919', part(2, 2, 'world'))
  const first = await submit(esme, '447700900919', part(1, 2, 'hello '))
  const receipts = await waitForReceipts(esme, 2)
  const states = new Map(receipts.map((each) => [each['receipted_message_id'], each['message_state']]))
  expect(states.get(first['message_id'])).toBe(2)
  expect(states.get(second['message_id'])).toBe(5)
  expect(submitsOf(smsc).map(({ reference, index, total }) => [reference, index, total])).toEqual([
    [77, 2, 2],
    [77, 1, 2],
  ])
  expect(smsc.entries().filter(({ kind }) => kind === 'message')).toMatchObject([
    { destination: '447700900919', reference: 77, total: 2, text: 'hello world' },
  ])
})

test('945: only the second part is refused; 920: only the last part is reported', async () => {
  const esme = await rig.bind(await rig.start())
  expect((await submit(esme, '447700900945', part(1, 2, 'a'))).command_status).toBe(0)
  expect((await submit(esme, '447700900945', part(2, 2, 'b'))).command_status).toBe(0x0b)
  await waitForReceipts(esme, 1)
  await submit(esme, '447700900920', part(1, 2, 'a'))
  const last = await submit(esme, '447700900920', part(2, 2, 'b'))
  const receipts = await waitForReceipts(esme, 2)
  expect(receipts[1]?.['receipted_message_id']).toBe(last['message_id'])
})

test('940: taken without a response; sent again it is an honest duplicate', async () => {
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
  void submit(esme, '447700900940')
  await waitForReceipts(esme, 1)
  const again = await submit(esme, '447700900940')
  expect(again.command_status).toBe(0)
  expect(smsc.counters()).toMatchObject({ taken: 2, unanswered: 1, duplicates: 1, duplicatesAfterAnswer: 0 })
})

test('942 answers late, and 938 without an id', async () => {
  const esme = await rig.bind(await rig.start())
  expect((await submit(esme, '447700900942')).command_status).toBe(0)
  const commands = esme.arrived.map(({ command }) => command)
  expect(commands.indexOf('deliver_sm')).toBeLessThan(commands.indexOf('submit_sm_resp'))
  expect(await submit(esme, '447700900938')).toMatchObject({ command_status: 0, message_id: '' })
})

test.each([
  ['943', 0, 0],
  ['944', 1, 1],
])('%s: the line is cut, and %i segments were taken', async (digits, taken, duplicates) => {
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
  void submit(esme, `447700900${digits}`)
  await esme.closed
  expect(smsc.counters().taken).toBe(taken)
  expect((await submit(await rig.bind(smsc), `447700900${digits}`)).command_status).toBe(0)
  expect(smsc.counters()).toMatchObject({ taken: taken + 1, duplicates })
})
