import { jetstreamManager } from '@nats-io/jetstream'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { submitResults } from '../../../streams/contracts/outbound.ts'
import { commandDurable } from '../../../streams/contracts/subjects.ts'
import { connectionOf } from '../../../streams/nats/link.ts'
import { until } from '../../testing/invented.suite.ts'
import { Rig } from '../../testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rig.close()
})

it('[S1] a refusal that NATS does not take at once holds its place, and is not delivered again meanwhile', async () => {
  await rig.openNats()
  await rig.addDurable(rig.operatorId, 2_000)
  const heard = await rig.hear()
  const smsc = await rig.openSmsc()
  await rig.openManagement(smsc.port)
  const running = await rig.startGateway({ timings: { workingMs: 100 } })
  await rig.bound(running)
  const connection = connectionOf(running.nats)
  const publish = connection.publish.bind(connection)
  let tries = 0
  const spy = vi.spyOn(connection, 'publish').mockImplementation((subject, ...rest) => {
    if (subject !== submitResults.name) return publish(subject, ...rest)
    tries += 1
    throw new Error('away')
  })
  await rig.send({ body: '' })
  // The fifth try comes four seconds after the first.
  await until(() => tries >= 5, 30_000)
  const manager = await jetstreamManager(rig.nats)
  const { num_redelivered, num_ack_pending } = await manager.consumers.info(
    'SMPP_OUTBOUND',
    commandDurable(rig.operatorId),
  )
  expect([num_redelivered, num_ack_pending]).toEqual([0, 1])
  spy.mockRestore()
  await until(async () => (await rig.unacknowledged()) === 0, 30_000)
  expect(heard.results).toMatchObject([{ outcome: 'REJECTED' }])
}, 90_000)
