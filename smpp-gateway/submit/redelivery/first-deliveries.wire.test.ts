import { jetstream } from '@nats-io/jetstream'
import { createInbox } from '@nats-io/transport-node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Recorded, SubmitEntry } from '../../../dev/neighbours/smsc/journal.ts'
import type { Smsc } from '../../../dev/neighbours/smsc/smsc.ts'
import { encode } from '../../../streams/contracts/decode.ts'
import type { DispatchCommand } from '../../../streams/contracts/outbound.ts'
import { commandDurable } from '../../../streams/contracts/subjects.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { connectRedis } from '../../redis.ts'
import { phone, until } from '../../testing/invented.suite.ts'
import { envOf, Rig } from '../../testing/rig.suite.ts'
import { submitResultOf } from '../results.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

const ACK_WAIT_MS = 3_000
const DUE_MS = 500
/** Long enough to halt the queue meanwhile. */
const WAIT_MS = 6_000
const submitsTo = (smsc: Smsc, { to }: DispatchCommand): number =>
  smsc
    .entries()
    .filter((entry): entry is Recorded & SubmitEntry => entry.kind === 'submit')
    .filter((submit) => `+${submit.destination}` === to).length
const commands = () => jetstream(rig.nats).consumers.get('SMPP_OUTBOUND', commandDurable(rig.operatorId))

/** What a killed process leaves at the server: a pull whose answers nobody would hear. */
async function abandonPull(): Promise<void> {
  const inbox = createInbox()
  const ears = rig.nats.subscribe(inbox)
  const subject = `$JS.API.CONSUMER.MSG.NEXT.SMPP_OUTBOUND.${commandDurable(rig.operatorId)}`
  const pull = JSON.stringify({ batch: 10, expires: 60_000_000_000 })
  rig.nats.publish(subject, pull, { reply: inbox })
  await rig.nats.flush()
  ears.unsubscribe()
  await rig.nats.flush()
}

const published = (command: DispatchCommand): Promise<unknown> => {
  const submittedAt = new Date().toISOString()
  const result = {
    outcome: 'ACCEPTED',
    operatorId: rig.operatorId,
    operatorMessageId: '1',
    submittedAt,
  } as const
  const event = submitResultOf(command, { index: 1, total: 1 }, result)
  return rig.nats.request('smpp.submit.result', encode(event), { timeout: 5_000 })
}

/** As Redis has it after a restart without its data. */
async function forget(...sent: readonly DispatchCommand[]): Promise<void> {
  const shared = connectRedis({ url: envOf('REDIS_URL'), now: () => performance.now(), logger: silentLogger })
  await until(() => shared.isUp)
  await shared.attempt((redis) => redis.del(sent.map(({ messageId }) => `smpp:progress:${messageId}`)))
  shared.close()
}

describe('fault R6 [S4]: what NATS calls a first delivery', () => {
  it('of what another owner has sent sends nothing, also when Redis knows nothing', async () => {
    await rig.openNats()
    await rig.addDurable(rig.operatorId, ACK_WAIT_MS)
    const smsc = await rig.openSmsc()
    await rig.openManagement(smsc.port)
    const waiting = await rig.send({ to: phone('916') })
    const sent = await rig.send({ to: phone('916') })
    const taken = await (await commands()).fetch({ max_messages: 2 })
    for await (const message of taken) {
      if (message.json<DispatchCommand>().messageId === waiting.messageId) message.nak(DUE_MS)
      else {
        await published(sent)
        await message.ackAck()
      }
    }
    await abandonPull()
    // To ask the server would remind it of the pull that nobody hears.
    await sleep(2 * DUE_MS)
    const running = await rig.startGateway()
    await rig.bound(running)
    await until(async () => (await rig.unacknowledged()) === 0, 30_000)
    expect(submitsTo(smsc, waiting)).toBe(1)
    expect(submitsTo(smsc, sent)).toBe(0)
  }, 60_000)

  it('of what this process has sent sends nothing, also when Redis has been emptied', async () => {
    await rig.openNats()
    await rig.addDurable(rig.operatorId, ACK_WAIT_MS)
    const heard = await rig.hear()
    const smsc = await rig.openSmsc()
    await rig.openManagement(smsc.port)
    const timings = { unknownRetriesMs: [WAIT_MS] }
    const running = await rig.startGateway({ timings })
    await rig.bound(running)
    // Beyond all that may be taken for a delivery of an owner before this one.
    await Promise.all(Array.from({ length: 120 }, () => rig.send({ to: phone('916') })))
    await until(() => heard.results.length === 120, 30_000)
    smsc.setOperator(rig.systemId, { submitStatus: 0x55f })
    const waiting = await rig.send({ to: phone('916') })
    await until(() => smsc.counters().refused === 1)
    smsc.setOperator(rig.systemId, { submitStatus: 0 })
    const sent = await rig.send({ to: phone('916') })
    await until(async () => (await rig.unacknowledged()) === 1)
    running.gateway.operators.get(rig.operatorId)?.hold('drained')
    await until(async () => (await (await commands()).info()).num_waiting === 0)
    await forget(waiting, sent)
    await abandonPull()
    await sleep(WAIT_MS + DUE_MS)
    running.gateway.operators.get(rig.operatorId)?.resume()
    await until(async () => (await rig.unacknowledged()) === 0, 30_000)
    expect(submitsTo(smsc, waiting)).toBe(1)
    expect(submitsTo(smsc, sent)).toBe(1)
  }, 60_000)
})
