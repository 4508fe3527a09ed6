import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { encode } from '../../../streams/contracts/decode.ts'
import { submitResultExample } from '../../../streams/contracts/examples.ts'
import { SUBMIT_RESULT_MIRROR } from '../../../streams/contracts/subjects.ts'
import { connectNats, jetstreamOf, type NatsLink } from '../../../streams/nats/link.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { phone, until } from '../../testing/invented.suite.ts'
import { envOf, Rig } from '../../testing/rig.suite.ts'
import { KeptResults } from './kept-results.ts'
import { PublishedResults } from './published-results.ts'

const HOUR_MS = 3_600_000
const never = new AbortController().signal

let rig: Rig
let link: NatsLink
let results: PublishedResults
beforeEach(async () => {
  rig = new Rig()
  await rig.openNats()
  link = connectNats({ url: envOf('NATS_URL'), user: 'smpp-connector', logger: silentLogger })
  rig.onClose(() => link.close())
  await link.whenConnected(AbortSignal.timeout(10_000))
  results = new PublishedResults(link, silentLogger)
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rig.close()
})

async function publish(): Promise<string> {
  const messageId = randomUUID()
  const event = encode({ ...submitResultExample, eventId: randomUUID(), messageId })
  await rig.nats.request('smpp.submit.result', event, { timeout: 5_000 })
  return messageId
}

/** Whether the results say that the first segment of a message was sent. */
const isSent = async (messageId: string, since = Date.now(), signal = never): Promise<boolean | undefined> =>
  (await results.of(messageId, since, signal))?.has(submitResultExample.segmentIndex)

describe('[S4] what NATS holds of a command that Redis has forgotten', () => {
  it('is found, and a look that failed is none', async () => {
    const messageId = await publish()
    expect(await isSent(messageId)).toBe(true)
    expect(await isSent(randomUUID())).toBe(false)
    const { consumers } = jetstreamOf(link)
    const get = vi.spyOn(consumers, 'get').mockRejectedValue(new Error('NATS is away'))
    expect(await isSent(messageId, Date.now() - 3 * HOUR_MS)).toBe(undefined)
    expect(await isSent(messageId)).toBe(undefined)
    get.mockRestore()
    expect(await isSent(messageId)).toBe(true)
    expect(await isSent(await publish())).toBe(true)
  })

  it('is found however much has been published since, and however little of it is kept', async () => {
    results = new PublishedResults(link, silentLogger, new KeptResults(5))
    const since = Date.now()
    const ids: string[] = []
    for (let count = 0; count < 30; count += 1) ids.push(await publish())
    for (const messageId of ids) expect(await isSent(messageId, since)).toBe(true)
    expect(await Promise.all(ids.map((messageId) => isSent(messageId, since)))).toEqual(ids.map(() => true))
    expect(await isSent(randomUUID(), since)).toBe(false)
  })

  it('is asked for once by all who wait together, and no further back than the oldest of them', async () => {
    const get = vi.spyOn(jetstreamOf(link).consumers, 'get')
    const oldest = Date.now() - 3 * HOUR_MS
    await Promise.all([oldest, oldest + 1, Date.now()].map((since) => isSent(randomUUID(), since)))
    const starts = get.mock.calls.flatMap(
      ([, asked]) => /"opt_start_time":"([^"]*)"/.exec(JSON.stringify(asked))?.[1] ?? [],
    )
    // The first one looks alone; the others wait for it, and are answered together.
    expect(get.mock.calls.length).toBeLessThanOrEqual(3)
    expect(Math.min(...starts.map(Date.parse))).toBeGreaterThanOrEqual(oldest - 60_000)
  })

  it('is not waited for by a command that has to be given back', async () => {
    await publish()
    const halting = new AbortController()
    const { consumers } = jetstreamOf(link)
    vi.spyOn(consumers, 'get').mockReturnValue(new Promise(() => {}))
    const asked = isSent(randomUUID(), Date.now(), halting.signal)
    halting.abort()
    expect(await asked).toBe(undefined)
  })
})

describe('[S4] commands that were given back unsent', () => {
  it('are not looked for by the process that gets them next', async () => {
    await rig.addDurable(rig.operatorId)
    const smsc = await rig.openSmsc()
    await rig.openManagement(smsc.port)
    // One leaves at once, the others wait for their turn until they are given back.
    const slow = { [rig.operatorId]: { rate: 1 } }
    const first = await rig.startGateway({ options: slow })
    await rig.bound(first)
    for (let count = 0; count < 20; count += 1) await rig.send({ to: phone('916') })
    await until(() => smsc.counters().submits > 0)
    await first.stop()
    await rig.setLease('over', 1)
    const second = await rig.startGateway()
    await second.nats.whenConnected(AbortSignal.timeout(10_000))
    const get = vi.spyOn(jetstreamOf(second.nats).consumers, 'get')
    await rig.bound(second)
    await until(async () => (await rig.unacknowledged()) === 0, 30_000)
    expect(get.mock.calls.map(([stream]) => stream)).not.toContain(SUBMIT_RESULT_MIRROR.stream)
    expect(smsc.counters()).toMatchObject({ submits: 20, duplicates: 0 })
  }, 60_000)
})
