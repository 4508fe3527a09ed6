import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it } from 'vitest'
import { bindOperator, type OperatorBindOptions } from './bind.ts'
import { encodePdu } from './pdu.ts'
import { binding, closePeers, deliver, HOOKS, Peer, SUBMIT } from './testing/peer.suite.ts'

/** RECONNECTS=10000 for more. */
const RECONNECTS = Number(process.env['RECONNECTS'] ?? 2_000)
const WARM_UP = 300
/** What one reconnect may leave behind, on average: a forgotten timer or listener is more. */
const BYTES_PER_RECONNECT_MAX = 500
/** What the collector and the runner move about, whatever we do. */
const NOISE_BYTES = 4_000_000

setFlagsFromString('--expose-gc')
const gc: unknown = runInNewContext('gc')
// The compiler knows no shape for what V8 hands out under this flag.
const collectGarbage = (): unknown =>
  typeof gc === 'function' ? Reflect.apply(gc, undefined, []) : undefined

const heapBytes = (): number => {
  collectGarbage()
  return process.memoryUsage().heapUsed
}
const handles = (): number => process.getActiveResourcesInfo().length

afterEach(closePeers)

const options: OperatorBindOptions = {
  tls: null,
  bindMode: undefined,
  newId: () => 'session',
  connectMs: 5_000,
  bindMs: 5_000,
  responseMs: 60_000,
  enquireLinkMs: 60_000,
  enquireLinkTimeoutMs: 60_000,
  unbindMs: 1_000,
  leaveMs: 1_000,
  unansweredMs: 60_000,
  mayWrite: () => true,
  elapsed: () => performance.now(),
  hooks: HOOKS,
  onDeliver: () => Promise.resolve(0),
}

describe('an operator that comes and goes', () => {
  it(`${RECONNECTS} sessions with open submits and half a PDU leave nothing behind`, async () => {
    const peer = new Peer(
      binding((pdu) =>
        pdu.command === 'submit_sm' ? [deliver(7), encodePdu('unbind', 8).subarray(0, 9)] : [],
      ),
    )
    const port = await peer.listen()
    const credentials = { host: '127.0.0.1', port, systemId: 'us', password: 'secret', systemType: '' }
    const once = async (): Promise<void> => {
      const reply = await bindOperator(
        {
          ...credentials,
          operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
          tpsLimit: 1,
          bindMode: 'TRANSCEIVER',
          backupOperatorId: null,
        },
        options,
      )
      if (reply.kind !== 'bound') throw new Error(reply.kind)
      const open = reply.bind.submit(SUBMIT)
      peer.hangUp(true)
      await Promise.all([open, reply.bind.closed])
      peer.heard.length = 0
    }
    for (let turn = 0; turn < WARM_UP; turn += 1) await once()
    const [heapBefore, handlesBefore] = [heapBytes(), handles()]
    for (let turn = 0; turn < RECONNECTS; turn += 1) await once()
    expect(heapBytes() - heapBefore).toBeLessThan(RECONNECTS * BYTES_PER_RECONNECT_MAX + NOISE_BYTES)
    await expect.poll(handles).toBeLessThanOrEqual(handlesBefore + 2)
    peer.close()
  }, 300_000)
})
