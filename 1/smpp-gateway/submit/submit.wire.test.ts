import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Recorded, SubmitEntry } from '../../dev/neighbours/smsc/journal.ts'
import type { Smsc } from '../../dev/neighbours/smsc/smsc.ts'
import { commandSubject } from '../../streams/contracts/subjects.ts'
import { sleep } from '../../streams/platform/backoff.ts'
import { phone, until } from '../testing/invented.suite.ts'
import { Rig, type Heard } from '../testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

const submitsOf = (smsc: Smsc): readonly SubmitEntry[] =>
  smsc.entries().filter((entry): entry is Recorded & SubmitEntry => entry.kind === 'submit')
const outcomes = ({ results }: Heard): readonly (readonly unknown[])[] =>
  results.map((result) => [result.segmentIndex, result.totalSegments, result.outcome, result.commandStatus])
const acknowledged = (): Promise<void> => until(async () => (await rig.unacknowledged()) === 0, 30_000)

describe('CON-5.4 status classes on the wire', () => {
  it('permanent: the segment is REJECTED with its status, the rest of the message is REJECTED without being sent', async () => {
    const { smsc, heard } = await rig.openAll()
    await rig.send({ to: phone('945'), body: 'a'.repeat(400) })
    await acknowledged()
    expect(outcomes(heard)).toEqual([
      [1, 3, 'ACCEPTED', 0],
      [2, 3, 'REJECTED', 0x0b],
      [3, 3, 'REJECTED', 0x0b],
    ])
    expect(submitsOf(smsc).map((submit) => submit.index)).toEqual([1, 2])
  })

  it('a generic_nack answers the submit, with the class of its status', async () => {
    const { heard } = await rig.openAll()
    await rig.send({ to: phone('936') })
    await acknowledged()
    expect(outcomes(heard)).toEqual([[1, 1, 'REJECTED', 0x03]])
  })

  it('transient: tried again, the same segment only, until it is taken', async () => {
    const { smsc, heard } = await rig.openAll()
    await rig.send({ to: phone('932'), body: 'a'.repeat(200) })
    await acknowledged()
    expect(outcomes(heard)).toEqual([
      [1, 2, 'ACCEPTED', 0],
      [2, 2, 'ACCEPTED', 0],
    ])
    // The simulator refuses the first try of every segment.
    expect(submitsOf(smsc).map((submit) => [submit.index, submit.taken])).toEqual([
      [1, false],
      [1, true],
      [2, false],
      [2, true],
    ])
    expect(new Set(submitsOf(smsc).map((submit) => submit.reference)).size).toBe(1)
  })

  it('transient until expiresAt: EXPIRED for every segment without a result, and none is sent any more', async () => {
    const { smsc, heard } = await rig.openAll()
    await rig.send({
      to: phone('933'),
      body: 'a'.repeat(200),
      expiresAt: new Date(Date.now() + 4_000).toISOString(),
    })
    await acknowledged()
    expect(outcomes(heard)).toEqual([
      [1, 2, 'EXPIRED', undefined],
      [2, 2, 'EXPIRED', undefined],
    ])
    expect(new Set(submitsOf(smsc).map((submit) => submit.index))).toEqual(new Set([1]))
  })

  it('throttle: the window is halved, nothing is lost', async () => {
    const { heard, running } = await rig.openAll()
    await rig.send({ to: phone('930') })
    await until(() => heard.results.length === 1, 15_000)
    expect(outcomes(heard)).toEqual([[1, 1, 'ACCEPTED', 0]])
    expect(running.gateway.operators.get(rig.operatorId)?.carrier?.window.limit).toBeLessThan(10)
    expect(await running.metric('smpp_connector_submit_sm_total', { status: 'throttled' })).toBe(3)
  }, 30_000)

  it('session: a wrong bind state ends the session, the next one carries the message', async () => {
    const { smsc, heard } = await rig.openAll()
    await rig.send({ to: phone('935') })
    await acknowledged()
    expect(outcomes(heard)).toEqual([[1, 1, 'ACCEPTED', 0]])
    expect(smsc.entries().filter((entry) => entry.kind === 'bind')).toHaveLength(2)
  })
})

describe('commands that cannot be sent', () => {
  it('[S1] a readable identity gets REJECTED without a status; an unreadable command is given up', async () => {
    const { heard, smsc } = await rig.openAll()
    await rig.send({ body: '', segmentCount: 2 })
    await rig.nats.request(commandSubject(rig.operatorId), '{"operatorId":', { timeout: 5_000 })
    await acknowledged()
    expect(outcomes(heard)).toEqual([
      [1, 2, 'REJECTED', undefined],
      [2, 2, 'REJECTED', undefined],
    ])
    expect(submitsOf(smsc)).toEqual([])
  })

  it('[S2] an expired command is EXPIRED and never sent', async () => {
    const { heard, smsc } = await rig.openAll()
    await rig.send({ expiresAt: new Date(Date.now() - 1_000).toISOString() })
    await acknowledged()
    expect(outcomes(heard)).toEqual([[1, 1, 'EXPIRED', undefined]])
    expect(submitsOf(smsc)).toEqual([])
  })
})

describe('CON-5.3 in doubt', () => {
  it.each([
    ['a response that never comes', '940', 'timeout'],
    ['a connection that is cut after the message was taken', '944', 'disconnect'],
  ])('%s is counted and sent again', async (_what, behaviour, reason) => {
    const { smsc, heard, running } = await rig.openAll({ timings: { responseMs: 300 } })
    await rig.send({ to: phone(behaviour) })
    await acknowledged()
    expect(outcomes(heard)).toEqual([[1, 1, 'ACCEPTED', 0]])
    expect(submitsOf(smsc).map((submit) => submit.duplicate)).toEqual([false, true])
    expect(await running.metric('smpp_connector_in_doubt_total', { policy: 'resubmit' })).toBe(1)
    expect(rig.log.some((line) => line.includes('smpp.submit_sm.in_doubt') && line.includes(reason))).toBe(
      true,
    )
  })

  it('fault G2: an acceptance without message_id is an acceptance: sent once, without an id, and warned of', async () => {
    const { smsc, heard, running } = await rig.openAll()
    for (let count = 0; count < 3; count += 1) await rig.send({ to: phone('938') })
    await acknowledged()
    expect(outcomes(heard)).toEqual(Array.from({ length: 3 }, () => [1, 1, 'ACCEPTED', 0]))
    expect(heard.results.every((result) => result.operatorMessageId === undefined)).toBe(true)
    expect(submitsOf(smsc).map((submit) => submit.duplicate)).toEqual([false, false, false])
    expect(await running.metric('smpp_connector_accepted_without_id_total')).toBe(3)
    expect(rig.log.filter((line) => line.includes('smpp.submit_sm.without_id'))).toHaveLength(1)
    expect(await running.metric('smpp_connector_in_doubt_total')).toBe(0)
  })

  it('policy drop: sent once, and ACCEPTED as uncertain, because it may have arrived [S9]', async () => {
    const { smsc, heard, running } = await rig.openAll({
      timings: { responseMs: 300 },
      options: { [rig.operatorId]: { inDoubt: 'drop' } },
    })
    await rig.send({ to: phone('941') })
    await acknowledged()
    expect(outcomes(heard)).toEqual([[1, 1, 'ACCEPTED', undefined]])
    expect(heard.results).toMatchObject([{ uncertain: true }])
    expect(heard.results[0]).not.toHaveProperty('operatorMessageId')
    expect(submitsOf(smsc)).toHaveLength(1)
    expect(await running.metric('smpp_connector_in_doubt_total', { policy: 'drop' })).toBe(1)
    expect(await running.metric('smpp_connector_uncertain_total')).toBe(1)
  })

  it('fault G9: never answered: sent once more and no third time, then uncertain and neither EXPIRED nor REJECTED', async () => {
    const { smsc, heard } = await rig.openAll({ timings: { responseMs: 200 } })
    const { messageId } = await rig.send({ to: phone('941'), body: 'a'.repeat(200) })
    await acknowledged()
    expect(outcomes(heard)).toEqual([
      [1, 2, 'ACCEPTED', undefined],
      [2, 2, 'ACCEPTED', undefined],
    ])
    expect(heard.results.every((result) => result.messageId === messageId && result.uncertain)).toBe(true)
    expect(submitsOf(smsc).map((submit) => submit.index)).toEqual([1, 1, 2, 2])
  })

  it('a segment in doubt at the end of its validity is uncertain, the others are EXPIRED', async () => {
    // In doubt before its end, and waiting for a late answer beyond it.
    const { smsc, heard } = await rig.openAll({ timings: { responseMs: 4_000 } })
    const expiresAt = new Date(Date.now() + 6_000).toISOString()
    await rig.send({ to: phone('941'), body: 'a'.repeat(200), expiresAt })
    await acknowledged()
    expect(outcomes(heard)).toEqual([
      [1, 2, 'ACCEPTED', undefined],
      [2, 2, 'EXPIRED', undefined],
    ])
    expect(submitsOf(smsc)).toHaveLength(1)
  })

  it('fault G9: an answer that comes after the deadline settles its segment: one SMS, one result with its id', async () => {
    // It would be sent again three seconds after its deadline; the answer comes one after it.
    const { smsc, heard, running } = await rig.openAll({ timings: { responseMs: 3_000 } }, 10, {
      timing: { receiptDelayMs: { min: 5, max: 20 }, lateResponseMs: 4_000 },
    })
    for (let count = 0; count < 5; count += 1) await rig.send({ to: phone('942') })
    await acknowledged()
    expect(submitsOf(smsc)).toHaveLength(5)
    expect(outcomes(heard)).toEqual(Array.from({ length: 5 }, () => [1, 1, 'ACCEPTED', 0]))
    const ids = submitsOf(smsc).map((submit) => submit.messageId)
    expect(new Set(heard.results.map((result) => result.operatorMessageId))).toEqual(new Set(ids))
    expect(await running.metric('smpp_connector_late_answers_total')).toBe(5)
  })

  it('an answer that comes while the second copy waits for its permit: no second copy is sent', async () => {
    const { smsc, heard, running } = await rig.openAll(
      { timings: { responseMs: 1_000 }, options: { [rig.operatorId]: { rate: 1 } } },
      10,
      { timing: { receiptDelayMs: { min: 5, max: 20 }, lateResponseMs: 3_000 } },
    )
    const { messageId } = await rig.send({ to: phone('942') })
    await until(() => submitsOf(smsc).length === 1)
    // They stand before it in the line, one a second.
    for (let count = 0; count < 4; count += 1) await rig.send({ to: phone('916') })
    await until(async () => (await rig.unacknowledged()) === 0, 60_000)
    expect(await running.metric('smpp_connector_late_answers_total')).toBe(1)
    expect(heard.results.filter((result) => result.messageId === messageId)).toHaveLength(1)
    expect(submitsOf(smsc)).toHaveLength(5)
  }, 90_000)

  it('an answer that comes when the segment has been reported as uncertain brings its id after all', async () => {
    const { smsc, heard } = await rig.openAll(
      { timings: { responseMs: 200 }, options: { [rig.operatorId]: { inDoubt: 'drop' } } },
      10,
      { timing: { receiptDelayMs: { min: 5, max: 20 }, lateResponseMs: 700 } },
    )
    await rig.send({ to: phone('942') })
    await until(() => heard.results.length === 2)
    expect(heard.results).toMatchObject([
      { outcome: 'ACCEPTED', uncertain: true },
      { outcome: 'ACCEPTED', operatorMessageId: submitsOf(smsc)[0]?.messageId },
    ])
    expect(submitsOf(smsc)).toHaveLength(1)
  })

  it('no more PDUs than the window are unanswered at any time', async () => {
    const { smsc } = await rig.openAll({ timings: { responseMs: 60_000, drainMs: 100 } }, 4)
    for (let turn = 0; turn < 12; turn++) await rig.send({ to: phone('946') })
    await until(() => submitsOf(smsc).length === 4)
    await sleep(400)
    expect(submitsOf(smsc)).toHaveLength(4)
  })
})

describe('PLT-7 fault G1: nobody waits for another', () => {
  it('3,000 messages that their operator refuses keep no new one waiting, and a restart keeps their due times', async () => {
    await rig.openNats()
    await rig.addDurable(rig.operatorId)
    const heard = await rig.hear()
    const smsc = await rig.openSmsc()
    await rig.openManagement(smsc.port)
    const options = { [rig.operatorId]: { window: 10 } }
    // An unknown status is tried again after a minute here, and not within this test.
    const timings = { unknownRetriesMs: [60_000] }
    const first = await rig.startGateway({ options, timings })
    await rig.bound(first)
    smsc.setOperator(rig.systemId, { submitStatus: 0x55f })
    const refused = Array.from({ length: 3_000 }, () => rig.send({ to: phone('916') }))
    await Promise.all(refused)
    await until(() => smsc.counters().refused >= 3_000, 60_000)
    smsc.setOperator(rig.systemId, { submitStatus: 0 })
    const good = [await rig.send({ to: phone('916') })]
    await until(() => heard.results.length === 1, 5_000)
    await first.stop()
    await rig.setLease('over', 1)
    const second = await rig.startGateway({ options, timings })
    await rig.bound(second)
    for (let count = 0; count < 20; count += 1) good.push(await rig.send({ to: phone('916') }))
    await until(() => heard.results.length === good.length, 10_000)
    expect(new Set(heard.results.map((result) => result.messageId))).toEqual(
      new Set(good.map((command) => command.messageId)),
    )
    expect(smsc.counters().submits).toBe(3_000 + good.length)
    expect(await rig.unacknowledged()).toBe(3_000)
  }, 120_000)

  it('[ST2] a status that nobody knows: three more tries, then REJECTED with it, counted by its code', async () => {
    const { smsc, heard, running } = await rig.openAll({ timings: { unknownRetriesMs: [50, 100, 150] } })
    smsc.setOperator(rig.systemId, { submitStatus: 0x55f })
    const { messageId } = await rig.send({ body: 'a'.repeat(200) })
    await acknowledged()
    expect(outcomes(heard)).toEqual([
      [1, 2, 'REJECTED', 0x55f],
      [2, 2, 'REJECTED', 0x55f],
    ])
    expect(heard.results.every((result) => result.messageId === messageId)).toBe(true)
    expect(smsc.counters().submits).toBe(4)
    expect(await running.metric('smpp_connector_unknown_status_total', { code: '0x55f' })).toBe(4)
  })
})

describe('CON-5.2 throughput', () => {
  it('fault G16: PDUs above the limit wait in the gateway for their turn, spread over the second; none goes back to NATS', async () => {
    const { smsc, heard, running } = await rig.openAll({}, 50)
    rig.setOperator(rig.operatorId, smsc.port, { tpsLimit: 20 })
    smsc.dropConnections()
    await rig.bound(running)
    await until(() => running.gateway.operators.get(rig.operatorId)?.carrier?.tpsLimit === 20)
    await Promise.all(Array.from({ length: 50 }, () => rig.send({ to: phone('916') })))
    await until(() => heard.results.length === 50, 30_000)
    const at = smsc.entries().flatMap((entry) => (entry.kind === 'submit' ? [Date.parse(entry.at)] : []))
    expect(at).toHaveLength(50)
    const inSpan = (spanMs: number): number =>
      Math.max(...at.map((from) => at.filter((t) => t >= from && t < from + spanMs).length))
    // One more than the gateway sent: the simulator reads when it gets to it.
    expect(inSpan(1_000)).toBeLessThanOrEqual(21)
    expect(inSpan(100)).toBeLessThanOrEqual(5)
    expect(await running.metric('smpp_connector_tps_throttle_total')).toBeGreaterThanOrEqual(10)
  }, 60_000)
})
