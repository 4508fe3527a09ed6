import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { connectEsme } from './esme.ts'
import {
  ACCOUNT,
  bind,
  FAST,
  part,
  receiptsOf,
  Rig,
  submit,
  submitsOf,
  textOf,
  waitForReceipts,
} from './rig.ts'
import { startSmsc } from './server.ts'
import type { Smsc } from './smsc.ts'

const rig = new Rig()
afterEach(() => rig.close())

test('an ordinary number is taken, answered with an id, and reported DELIVRD in TLVs and text', async () => {
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
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
  const smsc = await rig.start({ operators: [ACCOUNT, { systemId: 'other', password: 'else' }] })
  const esme = await rig.connect(smsc)
  expect((await bind(esme, 'transceiver', 'else')).command_status).toBe(0x0e)
  const unknown = { system_id: 'nobody', password: 'secret', interface_version: 0x34 }
  expect((await esme.request('bind_transceiver', unknown)).command_status).toBe(0x0f)
  const other = { system_id: 'other', password: 'else', interface_version: 0x34 }
  expect((await esme.request('bind_transceiver', other)).command_status).toBe(0)
  expect((await bind(esme)).command_status).toBe(0x05)
})

test('an operator without transceivers takes a transmitter and a receiver', async () => {
  const smsc = await rig.start({ operators: [{ ...ACCOUNT, transceiver: false }] })
  const [sender, receiver] = [await rig.connect(smsc), await rig.connect(smsc)]
  expect((await bind(sender)).command_status).toBe(0x03)
  expect((await bind(sender, 'transmitter')).command_status).toBe(0)
  expect((await bind(receiver, 'receiver')).command_status).toBe(0)
  expect((await submit(receiver, '447700900123')).command_status).toBe(0x04)
  expect((await submit(sender, '447700900123')).command_status).toBe(0)
  await waitForReceipts(receiver, 1)
  expect(receiptsOf(sender)).toEqual([])
})

test('a segment that is sent again is a duplicate, and an answered one is counted apart', async () => {
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
  await submit(esme, '447700900123')
  await submit(esme, '447700900123', { short_message: Buffer.from('another text', 'latin1') })
  expect(smsc.counters()).toMatchObject({ duplicates: 0, duplicatesAfterAnswer: 0 })
  await submit(esme, '447700900123')
  expect(smsc.counters()).toMatchObject({ duplicates: 1, duplicatesAfterAnswer: 1, messages: 2 })
  expect(submitsOf(smsc).map(({ duplicate }) => duplicate)).toEqual([false, false, true])
})

test('a receipt that is refused, unanswered at the end of a session, or due while nobody is bound comes again', async () => {
  const smsc = await rig.start()
  const first = await rig.bind(smsc)
  first.answerReceiptsWith(0x64)
  await submit(first, '447700900123')
  await expect.poll(() => receiptsOf(first).length, { timeout: 5_000 }).toBeGreaterThan(1)
  first.answerReceiptsWith(undefined)
  first.close()
  await expect.poll(() => smsc.counters().receiptsWaiting).toBe(1)
  await waitForReceipts(await rig.bind(smsc), 1)
  await expect.poll(() => smsc.counters().receiptsAcknowledged).toBe(1)
  expect(smsc.counters().receiptsDropped).toBe(0)
})

test('a limit throttles what is above it within a second, and a changed account obeys at once', async () => {
  const smsc = await rig.start({ operators: [{ ...ACCOUNT, tps: 10 }] })
  const esme = await rig.bind(smsc)
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
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
  expect((await submit(esme, '447700900123', fields)).command_status).toBe(status)
  expect(smsc.counters().violations).toBe(1)
})

test('a text in message_payload is read, and short_message beside it is refused', async () => {
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
  const payload = { message_payload: Buffer.alloc(400, 0x61) }
  expect((await submit(esme, '447700900123', { ...payload, short_message: '' })).command_status).toBe(0)
  expect(submitsOf(smsc)[0]?.text).toBe('a'.repeat(400))
  expect((await submit(esme, '447700900123', payload)).command_status).toBe(0xc1)
})

test('enquire_link and unbind are answered, and the operator can start both', async () => {
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
  expect((await esme.request('enquire_link', {})).command).toBe('enquire_link_resp')
  smsc.enquireAll()
  await expect.poll(() => smsc.counters().enquiryAnswers).toBe(1)
  smsc.unbindAll()
  await esme.closed
  const other = await rig.bind(smsc)
  expect((await other.request('unbind', {})).command).toBe('unbind_resp')
  await other.closed
})

test('a command_length that cannot be is answered with generic_nack and the end of the line', async () => {
  const smsc = await rig.start()
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
  const smsc = await rig.start()
  const esme = await rig.bind(smsc)
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
  const esme = await rig.connect(smsc)
  return Promise.race([
    bind(esme).then(({ command_status }) => command_status),
    esme.closed.then(() => undefined),
  ])
}

test('the log file holds every entry, one a line', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'smsc-'))
  rig.onClose(() => rm(folder, { recursive: true }))
  const logFile = join(folder, 'smsc.ndjson')
  const smsc = await startSmsc({ operators: [ACCOUNT], timing: FAST, logFile })
  const esme = await rig.bind(smsc)
  await submit(esme, '447700900123')
  await waitForReceipts(esme, 1)
  esme.close()
  await smsc.close()
  const lines = (await readFile(logFile, 'utf8')).trim().split('\n')
  const entries = lines.slice(0, 4).map((line): unknown => JSON.parse(line))
  expect(entries).toMatchObject(['bind', 'submit', 'message', 'receipt'].map((kind) => ({ kind })))
})
