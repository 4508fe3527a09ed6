import { afterEach, describe, expect, it } from 'vitest'
import type { OperatorBind } from './bind.ts'
import { encodePdu } from './pdu.ts'
import { closePeers, deliver, pairWith, Peer, SUBMIT, type Answering } from './testing/peer.suite.ts'

afterEach(closePeers)

/** Takes binds and unbinds; what is said to the rest is up to the test. */
const courteous =
  (others: Answering = () => []): Answering =>
  (pdu) =>
    /^(bind_.*|unbind)$/.test(pdu.command) ? [encodePdu(`${pdu.command}_resp`, pdu.sequence)] : others(pdu)

const boundOf = (reply: Awaited<ReturnType<typeof pairWith>>): OperatorBind => {
  if (reply.kind !== 'bound') throw new Error(reply.kind)
  return reply.bind
}

describe('[B9] a transmitter and a receiver', () => {
  it('count as closed when both are: while one drains, nobody may bind anew beside it', async () => {
    const waiting: ((status: number) => void)[] = []
    const peer = new Peer(courteous())
    const bind = boundOf(
      await pairWith(peer, { onDeliver: () => new Promise((resolve) => void waiting.push(resolve)) }),
    )
    let closed = 0
    void bind.closed.then(() => (closed += 1))
    peer.send(deliver(5))
    await expect.poll(() => waiting.length).toBe(1)
    bind.leave('credentials have changed')
    await expect.poll(() => peer.open).toBe(1)
    expect(closed).toBe(0)
    waiting[0]?.(0)
    await expect.poll(() => closed).toBe(1)
    expect(peer.heardOf('unbind')).toHaveLength(2)
    expect(await bind.closed).toBe('credentials have changed')
  })

  it('when the operator unbinds the receiver, what is open with the transmitter is still answered', async () => {
    const peer = new Peer(courteous())
    const bind = boundOf(await pairWith(peer))
    const open = bind.submit(SUBMIT)
    await expect.poll(() => peer.heardOf('submit_sm').length).toBe(1)
    peer.send(encodePdu('unbind', 77))
    await expect.poll(() => peer.heardOf('unbind_resp').length).toBe(1)
    await expect.poll(() => bind.canSubmit).toBe(false)
    peer.sendTo(
      0,
      encodePdu('submit_sm_resp', peer.heardOf('submit_sm')[0]?.sequence ?? 0, { message_id: '1' }),
    )
    expect(await open).toMatchObject({ kind: 'answered', messageId: '1' })
    expect(await bind.closed).toBe('unbound by the operator')
    await expect.poll(() => peer.open).toBe(0)
  })

  it('of which the second is refused leave no first one bound', async () => {
    const peer = new Peer((pdu) =>
      pdu.command === 'bind_receiver'
        ? [encodePdu('bind_receiver_resp', pdu.sequence, {}, 0x0d)]
        : courteous()(pdu),
    )
    expect(await pairWith(peer)).toMatchObject({ kind: 'failed', status: 0x0d })
    expect(peer.heardOf('unbind')).toHaveLength(1)
    await expect.poll(() => peer.open).toBe(0)
  })
})
