import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { connectEsme, type ArrivedPdu, type Esme } from './esme.ts'
import type { Recorded, SubmitEntry } from './journal.ts'
import { startSmsc, type Smsc, type SmscOptions } from './server.ts'

const ACCOUNT = { systemId: 'ghasi', password: 'secret' }
const FAST = { receiptDelayMs: { min: 1, max: 3 }, receiptRetryMs: 20, lateResponseMs: 60, nextMinuteMs: 40 }

const opened: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

async function start(options: Partial<SmscOptions> = {}): Promise<Smsc> {
  const smsc = await startSmsc({ operators: [ACCOUNT], timing: FAST, ...options })
  opened.push(() => smsc.close())
  return smsc
}

async function connected(smsc: Smsc): Promise<Esme> {
  const esme = await connectEsme(smsc.port)
  opened.push(() => esme.close())
  return esme
}

const bind = (esme: Esme, mode = 'transceiver', password = ACCOUNT.password): Promise<ArrivedPdu> =>
  esme.request(`bind_${mode}`, { system_id: ACCOUNT.systemId, password, interface_version: 0x34 })

async function bound(smsc: Smsc): Promise<Esme> {
  const esme = await connected(smsc)
  expect((await bind(esme)).command_status).toBe(0)
  return esme
}

const submit = (
  esme: Esme,
  to: string,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<ArrivedPdu> =>
  esme.request('submit_sm', {
    source_addr_ton: 5,
    source_addr_npi: 0,
    source_addr: 'GHASI',
    dest_addr_ton: 1,
    dest_addr_npi: 1,
    destination_addr: to,
    registered_delivery: 1,
    data_coding: 0,
    short_message: Buffer.from('Your code is 4711', 'latin1'),
    ...fields,
  })

const receiptsOf = (esme: Esme): readonly ArrivedPdu[] =>
  esme.arrived.filter(({ command }) => command === 'deliver_sm')
const waitForReceipts = async (esme: Esme, count: number): Promise<readonly ArrivedPdu[]> => {
  await expect.poll(() => receiptsOf(esme).length, { timeout: 5_000, interval: 5 }).toBe(count)
  return receiptsOf(esme)
}
const textOf = (receipt: ArrivedPdu | undefined): string =>
  JSON.stringify([receipt?.['short_message'], receipt?.['message_payload']])
const submitsOf = (smsc: Smsc): readonly SubmitEntry[] =>
  smsc.entries().filter((entry): entry is Recorded & SubmitEntry => entry.kind === 'submit')

test('an ordinary number is taken, answered with an id, and reported DELIVRD in TLVs and text', async () => {
  const smsc = await start()
  const esme = await bound(smsc)
  const answer = await submit(esme, '447700900123')
  expect(answer.command_status).toBe(0)
  const [receipt] = await waitForReceipts(esme, 1)
  expect(receipt).toMatchObject({
    esm_class: 4,
    source_addr: '447700900123',
    destination_addr: 'GHASI',
    receipted_message_id: answer['message_id'],
    message_state: 2,
  })
  expect(textOf(receipt)).toMatch(
    /id:\d{19} sub:001 dlvrd:001 submit date:\d{10} done date:\d{10} stat:DELIVRD err:000 text:Your code is 4711/,
  )
  expect(smsc.counters()).toMatchObject({ submits: 1, taken: 1, duplicates: 0, messages: 1 })
  await expect.poll(() => smsc.counters().receiptsAcknowledged).toBe(1)
})

test('two operators on one port have their own passwords, and a wrong one or an unknown id is refused', async () => {
  const smsc = await start({ operators: [ACCOUNT, { systemId: 'other', password: 'else' }] })
  const esme = await connected(smsc)
  expect((await bind(esme, 'transceiver', 'else')).command_status).toBe(0x0e)
  const unknown = { system_id: 'nobody', password: 'secret', interface_version: 0x34 }
  expect((await esme.request('bind_transceiver', unknown)).command_status).toBe(0x0f)
  const other = { system_id: 'other', password: 'else', interface_version: 0x34 }
  expect((await esme.request('bind_transceiver', other)).command_status).toBe(0)
  expect((await bind(esme)).command_status).toBe(0x05)
})

test('an operator without transceivers takes a transmitter and a receiver', async () => {
  const smsc = await start({ operators: [{ ...ACCOUNT, transceiver: false }] })
  const [sender, receiver] = [await connected(smsc), await connected(smsc)]
  expect((await bind(sender)).command_status).toBe(0x03)
  expect((await bind(sender, 'transmitter')).command_status).toBe(0)
  expect((await bind(receiver, 'receiver')).command_status).toBe(0)
  expect((await submit(receiver, '447700900123')).command_status).toBe(0x04)
  expect((await submit(sender, '447700900123')).command_status).toBe(0)
  await waitForReceipts(receiver, 1)
  expect(receiptsOf(sender)).toEqual([])
})

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
  const esme = await bound(await start())
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
    const smsc = await start()
    const esme = await bound(smsc)
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
  const smsc = await start()
  const esme = await bound(smsc)
  const seen: number[] = []
  for (const _ of statuses) seen.push((await submit(esme, `447700900${digits}`)).command_status)
  expect(seen).toEqual(statuses)
  expect(smsc.counters()).toMatchObject({ taken: 1, duplicates: 0 })
})

test('generic_nack answers a submit where the script says so', async () => {
  const esme = await bound(await start())
  expect(await submit(esme, '447700900936')).toMatchObject({ command: 'generic_nack', command_status: 3 })
  expect(await submit(esme, '447700900937')).toMatchObject({ command: 'generic_nack', command_status: 8 })
  expect(await submit(esme, '447700900937')).toMatchObject({ command: 'submit_sm_resp', command_status: 0 })
})

test('913: the receipt comes before the response, in one TCP segment with it', async () => {
  const smsc = await start()
  const esme = await bound(smsc)
  const answer = await submit(esme, '447700900913')
  expect(esme.arrived.map(({ command }) => command).slice(1)).toEqual(['deliver_sm', 'submit_sm_resp'])
  expect(receiptsOf(esme)[0]?.['receipted_message_id']).toBe(answer['message_id'])
})

test('914 and 915: the ids of response and receipt differ in base, zeros or case', async () => {
  const esme = await bound(await start())
  const hex = String((await submit(esme, '447700900914'))['message_id'])
  const [padded] = await waitForReceipts(esme, 1)
  expect(padded?.['receipted_message_id']).toBe(`000${BigInt(`0x${hex}`)}`)
  const lower = String((await submit(esme, '447700900915'))['message_id'])
  expect(lower).toMatch(/[a-f]/)
  expect((await waitForReceipts(esme, 2))[1]?.['receipted_message_id']).toBe(lower.toUpperCase())
})

test('916 to 918 and 927: no receipt, a receipt for an unknown id, both, and one without an id', async () => {
  const smsc = await start()
  const esme = await bound(smsc)
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

/** One part of a long message with an 8-bit reference. */
const part = (index: number, total: number, text: string): Readonly<Record<string, unknown>> => ({
  esm_class: 0x40,
  short_message: Buffer.concat([Buffer.of(5, 0, 3, 77, total, index), Buffer.from(text, 'latin1')]),
})

test('parts are recorded by reference and index, joined to the text, and 919 reports them differently', async () => {
  const smsc = await start()
  const esme = await bound(smsc)
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
  const esme = await bound(await start())
  expect((await submit(esme, '447700900945', part(1, 2, 'a'))).command_status).toBe(0)
  expect((await submit(esme, '447700900945', part(2, 2, 'b'))).command_status).toBe(0x0b)
  await waitForReceipts(esme, 1)
  await submit(esme, '447700900920', part(1, 2, 'a'))
  const last = await submit(esme, '447700900920', part(2, 2, 'b'))
  const receipts = await waitForReceipts(esme, 2)
  expect(receipts[1]?.['receipted_message_id']).toBe(last['message_id'])
})

test('CON-3 a segment that is sent again is a duplicate, and an answered one is counted apart', async () => {
  const smsc = await start()
  const esme = await bound(smsc)
  await submit(esme, '447700900123')
  await submit(esme, '447700900123', { short_message: Buffer.from('another text', 'latin1') })
  expect(smsc.counters()).toMatchObject({ duplicates: 0, duplicatesAfterAnswer: 0 })
  await submit(esme, '447700900123')
  expect(smsc.counters()).toMatchObject({ duplicates: 1, duplicatesAfterAnswer: 1, messages: 2 })
  expect(submitsOf(smsc).map(({ duplicate }) => duplicate)).toEqual([false, false, true])
})

test('940: taken without a response; sent again it is an honest duplicate', async () => {
  const smsc = await start()
  const esme = await bound(smsc)
  void submit(esme, '447700900940')
  await waitForReceipts(esme, 1)
  const again = await submit(esme, '447700900940')
  expect(again.command_status).toBe(0)
  expect(smsc.counters()).toMatchObject({ taken: 2, unanswered: 1, duplicates: 1, duplicatesAfterAnswer: 0 })
})

test('942 answers late, and 938 without an id', async () => {
  const esme = await bound(await start())
  expect((await submit(esme, '447700900942')).command_status).toBe(0)
  const commands = esme.arrived.map(({ command }) => command)
  expect(commands.indexOf('deliver_sm')).toBeLessThan(commands.indexOf('submit_sm_resp'))
  expect(await submit(esme, '447700900938')).toMatchObject({ command_status: 0, message_id: '' })
})

test.each([
  ['943', 0, 0],
  ['944', 1, 1],
])('%s: the line is cut, and %i segments were taken', async (digits, taken, duplicates) => {
  const smsc = await start()
  const esme = await bound(smsc)
  void submit(esme, `447700900${digits}`)
  await esme.closed
  expect(smsc.counters().taken).toBe(taken)
  expect((await submit(await bound(smsc), `447700900${digits}`)).command_status).toBe(0)
  expect(smsc.counters()).toMatchObject({ taken: taken + 1, duplicates })
})

test('DLR a receipt that is refused, unanswered at the end of a session, or due while nobody is bound comes again', async () => {
  const smsc = await start()
  const first = await bound(smsc)
  first.answerReceiptsWith(0x64)
  await submit(first, '447700900123')
  await expect.poll(() => receiptsOf(first).length, { timeout: 5_000 }).toBeGreaterThan(1)
  first.answerReceiptsWith(undefined)
  first.close()
  await expect.poll(() => smsc.counters().receiptsWaiting).toBe(1)
  await waitForReceipts(await bound(smsc), 1)
  await expect.poll(() => smsc.counters().receiptsAcknowledged).toBe(1)
  expect(smsc.counters().receiptsDropped).toBe(0)
})

test('a limit throttles what is above it within a second, and a changed account obeys at once', async () => {
  const smsc = await start({ operators: [{ ...ACCOUNT, tps: 10 }] })
  const esme = await bound(smsc)
  const numbers = Array.from({ length: 11 }, (_, index) => `4477009000${index + 10}`)
  const answers = await Promise.all(numbers.map((to) => submit(esme, to)))
  expect(answers.filter(({ command_status }) => command_status === 0x58)).toHaveLength(1)
  smsc.setOperator('ghasi', { tps: 0, submitStatus: 0x45 })
  expect((await submit(esme, '447700900123')).command_status).toBe(0x45)
})

test.each([
  ['a plus sign in the destination', { destination_addr: '+447700900123' }, 0x0b],
  ['a national destination', { dest_addr_ton: 2 }, 0x50],
  ['an alphanumeric source of 12 characters', { source_addr: 'GHASIGHASI12' }, 0x0a],
  ['a text of 161 septets', { short_message: Buffer.alloc(161, 0x61) }, 0x01],
  ['octets above 0x7F under GSM', { short_message: Buffer.of(0xe9) }, 0x45],
  ['an odd number of octets under UCS-2', { data_coding: 8, short_message: Buffer.of(4, 79, 4) }, 0x01],
  ['a header that is not there', { esm_class: 0x40, short_message: Buffer.of(9, 0, 3) }, 0x43],
  ['index beyond total', part(3, 2, 'x'), 0x43],
  ['a torn escape', part(1, 2, 'x\u001b'), 0x45],
])('%s is refused', async (_case, fields, status) => {
  const smsc = await start()
  const esme = await bound(smsc)
  expect((await submit(esme, '447700900123', fields)).command_status).toBe(status)
  expect(smsc.counters().violations).toBe(1)
})

test('a text in message_payload is read, and short_message beside it is refused', async () => {
  const smsc = await start()
  const esme = await bound(smsc)
  const payload = { message_payload: Buffer.alloc(400, 0x61) }
  expect((await submit(esme, '447700900123', { ...payload, short_message: '' })).command_status).toBe(0)
  expect(submitsOf(smsc)[0]?.text).toBe('a'.repeat(400))
  expect((await submit(esme, '447700900123', payload)).command_status).toBe(0xc1)
})

test('enquire_link and unbind are answered, and the operator can start both', async () => {
  const smsc = await start()
  const esme = await bound(smsc)
  expect((await esme.request('enquire_link', {})).command).toBe('enquire_link_resp')
  smsc.enquireAll()
  await expect.poll(() => smsc.counters().enquiryAnswers).toBe(1)
  smsc.unbindAll()
  await esme.closed
  const other = await bound(smsc)
  expect((await other.request('unbind', {})).command).toBe('unbind_resp')
  await other.closed
})

test('a command_length that cannot be is answered with generic_nack and the end of the line', async () => {
  const smsc = await start()
  const socket = connect(smsc.port, '127.0.0.1')
  const octets: Buffer[] = []
  socket.on('data', (chunk) => octets.push(chunk))
  socket.write(Buffer.of(0, 0, 0, 5, 0))
  await new Promise((resolve) => {
    socket.once('close', resolve)
  })
  expect(Buffer.concat(octets).toString('hex')).toBe('00000010800000000000000200000000')
  expect(smsc.counters().malformed).toBe(1)
})

test('the control port reads the log and the counters, cuts, pauses and resumes', async () => {
  const smsc = await start()
  const esme = await bound(smsc)
  const url = `http://127.0.0.1:${smsc.controlPort}`
  const post = (path: string, body = {}): Promise<Response> =>
    fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) })
  await submit(esme, '447700900123')
  const lines = (await (await fetch(`${url}/log?since=1&limit=2`)).text()).trim().split('\n')
  expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
    { seq: 2, kind: 'submit' },
    { seq: 3 },
  ])
  expect(await (await fetch(`${url}/counters`)).json()).toMatchObject({ submits: 1, sessions: 1 })
  await post('/pause')
  let isAnswered = false
  const held = submit(esme, '447700900124').then(() => {
    isAnswered = true
  })
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(isAnswered).toBe(false)
  await post('/resume')
  await held
  await post('/drop-connections', { refuseMs: 200 })
  await esme.closed
  const refused = await connectEsme(smsc.port)
  await refused.closed
  const changed = await fetch(`${url}/operators/ghasi`, { method: 'PUT', body: '{"password":"new"}' })
  expect(changed.status).toBe(200)
  await expect.poll(async () => (await bindOnce(smsc)) === 0x0e, { timeout: 2_000 }).toBe(true)
})

async function bindOnce(smsc: Smsc): Promise<number | undefined> {
  const esme = await connected(smsc)
  return Promise.race([
    bind(esme).then(({ command_status }) => command_status),
    esme.closed.then(() => undefined),
  ])
}

test('the log file holds every entry, one a line', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'smsc-'))
  opened.push(() => rm(folder, { recursive: true }))
  const logFile = join(folder, 'smsc.ndjson')
  const smsc = await startSmsc({ operators: [ACCOUNT], timing: FAST, logFile })
  const esme = await bound(smsc)
  await submit(esme, '447700900123')
  await waitForReceipts(esme, 1)
  esme.close()
  await smsc.close()
  const lines = (await readFile(logFile, 'utf8')).trim().split('\n')
  const kinds = lines.map((line) => (JSON.parse(line) as { kind: string }).kind)
  expect(kinds.slice(0, 4)).toEqual(['bind', 'submit', 'message', 'receipt'])
})
