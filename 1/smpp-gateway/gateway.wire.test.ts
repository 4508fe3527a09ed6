import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decode, encode } from '../streams/contracts/decode.ts'
import { submitResults } from '../streams/contracts/outbound.ts'
import { inboundReceipts } from '../streams/contracts/receipts.ts'
import type { operatorHealth } from '../streams/contracts/operators.ts'
import { phone, until } from './testing/invented.suite.ts'
import { Rig } from './testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

const valid = (
  topic: typeof submitResults | typeof inboundReceipts | typeof operatorHealth,
  event: unknown,
): boolean => decode<unknown>(topic, Buffer.from(encode(event))).ok

describe('one operator, end to end', () => {
  it('CON-5.8 binds, submits, publishes the result and the receipt, and acknowledges the command', async () => {
    const { smsc, heard } = await rig.openAll()
    const command = await rig.send({ to: phone('000'), body: 'Your code is 4711' })
    await until(() => heard.results.length === 1 && heard.receipts.length === 1)
    const [result] = heard.results
    const [receipt] = heard.receipts
    expect(result).toMatchObject({
      messageId: command.messageId,
      outcome: 'ACCEPTED',
      segmentIndex: 1,
      commandStatus: 0,
    })
    expect(receipt).toMatchObject({
      operatorMessageId: result?.operatorMessageId,
      stat: 'DELIVRD',
      messageId: command.messageId,
    })
    expect(valid(submitResults, result) && valid(inboundReceipts, receipt)).toBe(true)
    await until(async () => (await rig.unacknowledged()) === 0)
    expect(smsc.entries().filter((entry) => entry.kind === 'submit')).toMatchObject([
      { destination: command.to.slice(1), text: 'Your code is 4711', taken: true, registeredDelivery: 1 },
    ])
  })

  it('CON-5.1 a long message arrives whole, by header and by message_payload', async () => {
    const { smsc, heard } = await rig.openAll()
    const body = `${'a'.repeat(152)}€${'b'.repeat(200)}`
    await rig.send({ to: phone('000'), body })
    await rig.send({ to: phone('000'), body: `${'я'.repeat(66)}😀${'я'.repeat(66)}`, encoding: 'GSM7' })
    await rig.send({ to: phone('000'), body, longMessageStrategy: 'TLV' })
    await until(() => heard.results.length === 7)
    const texts = smsc.entries().flatMap((entry) => (entry.kind === 'message' ? [entry.text] : []))
    expect(texts.toSorted()).toEqual([body, body, `${'я'.repeat(66)}😀${'я'.repeat(66)}`].toSorted())
    expect(smsc.entries().filter((entry) => entry.kind === 'fault')).toEqual([])
    expect(heard.results.every((event) => event.outcome === 'ACCEPTED' && valid(submitResults, event))).toBe(
      true,
    )
  })
})
