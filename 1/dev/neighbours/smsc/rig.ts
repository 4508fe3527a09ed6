import { expect } from 'vitest'
import { connectEsme, type ArrivedPdu, type Esme } from './esme.ts'
import type { Recorded, SubmitEntry } from './journal.ts'
import { startSmsc } from './server.ts'
import type { Smsc, SmscOptions } from './smsc.ts'

/**
 * What the wire tests of the simulator share: a simulator that hurries, and the requests of a
 * well-behaved client.
 */
export const ACCOUNT = { systemId: 'ghasi', password: 'secret' }
export const FAST = {
  receiptDelayMs: { min: 1, max: 3 },
  receiptRetryMs: 20,
  lateResponseMs: 60,
  nextMinuteMs: 40,
}

type Close = () => Promise<void> | void

/** Closes what a test has opened, the last first. */
export class Rig {
  readonly #opened: Close[] = []

  onClose(close: Close): void {
    this.#opened.push(close)
  }

  async close(): Promise<void> {
    for (let close = this.#opened.pop(); close !== undefined; close = this.#opened.pop()) await close()
  }

  async start(options: Partial<SmscOptions> = {}): Promise<Smsc> {
    const smsc = await startSmsc({ operators: [ACCOUNT], timing: FAST, ...options })
    this.onClose(() => smsc.close())
    return smsc
  }

  async connect(smsc: Smsc): Promise<Esme> {
    const esme = await connectEsme(smsc.port)
    this.onClose(() => esme.close())
    return esme
  }

  /** Connected and bound as a transceiver. */
  async bind(smsc: Smsc): Promise<Esme> {
    const esme = await this.connect(smsc)
    const { command_status: status } = await bind(esme)
    if (status !== 0) throw new Error(`bind was refused with status ${status}`)
    return esme
  }
}

export const bind = (esme: Esme, mode = 'transceiver', password = ACCOUNT.password): Promise<ArrivedPdu> =>
  esme.request(`bind_${mode}`, { system_id: ACCOUNT.systemId, password, interface_version: 0x34 })

export const submit = (
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

export const receiptsOf = (esme: Esme): readonly ArrivedPdu[] =>
  esme.arrived.filter(({ command }) => command === 'deliver_sm')
export const waitForReceipts = async (esme: Esme, count: number): Promise<readonly ArrivedPdu[]> => {
  await expect.poll(() => receiptsOf(esme).length, { timeout: 5_000, interval: 5 }).toBe(count)
  return receiptsOf(esme)
}
export const textOf = (receipt: ArrivedPdu | undefined): string =>
  JSON.stringify([receipt?.['short_message'], receipt?.['message_payload']])
export const submitsOf = (smsc: Smsc): readonly SubmitEntry[] =>
  smsc.entries().filter((entry): entry is Recorded & SubmitEntry => entry.kind === 'submit')

/** One part of a long message with an 8-bit reference. */
export const part = (index: number, total: number, text: string): Readonly<Record<string, unknown>> => ({
  esm_class: 0x40,
  short_message: Buffer.concat([Buffer.of(5, 0, 3, 77, total, index), Buffer.from(text, 'latin1')]),
})
