import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../stack/ports.ts'
import type { Recorded, SubmitEntry } from '../smsc/journal.ts'
import { startSmsc } from '../smsc/server.ts'
import type { Smsc } from '../smsc/smsc.ts'
import { Bearerbox } from './bearerbox.ts'

const ACCOUNT = { systemId: 'kannel', password: 'secret' }
const WINDOW = 5

let kannel: Bearerbox
let smsc: Smsc | undefined
let port: number
beforeEach(async () => {
  port = await freePort()
  kannel = await Bearerbox.start({ ...ACCOUNT, port, window: WINDOW })
}, 300_000)
afterEach(async () => {
  await kannel.close()
  await smsc?.close()
  smsc = undefined
})

const phone = (index: number, lastDigits: string): string =>
  `4477${String(index).padStart(5, '0')}${lastDigits}`
const send = (to: string, text = 'Your code is 4711'): Promise<boolean> =>
  kannel.box.submit({ from: 'GHASI', to, text })
const operator = async (): Promise<Smsc> => {
  // Kannel drops a receipt that comes while it still takes down whose it is.
  const timing = { receiptDelayMs: { min: 1_000, max: 1_500 } }
  smsc = await startSmsc({ port, operators: [ACCOUNT], timing })
  return smsc
}
const submitsOf = (simulated: Smsc): readonly SubmitEntry[] =>
  simulated.entries().filter((entry): entry is Recorded & SubmitEntry => entry.kind === 'submit')
const patient = { timeout: 120_000, interval: 50 }

/** Its client, its codec and its receipt parser are other people's. */
describe('Kannel as the ESME of the simulated operator', () => {
  it('binds, has everything taken that it kept meanwhile, and finds the receipt of each', async () => {
    const count = 50
    const kept = await Promise.all(Array.from({ length: count }, (_, at) => send(phone(at, '000'))))
    expect(kept).toEqual(Array.from({ length: count }, () => true))
    const simulated = await operator()
    await expect.poll(() => kannel.box.reports, patient).toMatchObject({ taken: count, delivered: count })
    expect(kannel.box.reports).toMatchObject({ failed: 0, refused: 0 })
    expect(submitsOf(simulated)).toHaveLength(count)
    expect(simulated.counters()).toMatchObject({ malformed: 0, violations: 0, duplicates: 0 })
    // Its answer to the last receipt may come after its report on it.
    await expect.poll(() => simulated.counters(), patient).toMatchObject({ receiptsAcknowledged: count })
    expect(simulated.counters()).toMatchObject({ receiptsRefused: 0 })
  }, 300_000)

  it('understands a failed delivery and a refusal', async () => {
    const simulated = await operator()
    await kannel.bound()
    await send(phone(1, '901'))
    await expect.poll(() => kannel.box.reports, patient).toMatchObject({ taken: 1, failed: 1, delivered: 0 })
    simulated.setOperator(ACCOUNT.systemId, { submitStatus: 0x0b })
    await send(phone(2, '000'))
    await expect.poll(() => kannel.box.refusals, patient).toEqual([expect.stringContaining('0x0000000b')])
    expect(simulated.counters()).toMatchObject({ malformed: 0, violations: 0 })
  }, 300_000)
})
