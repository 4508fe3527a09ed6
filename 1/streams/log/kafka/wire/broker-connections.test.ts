import { describe, expect, it } from 'vitest'
import { BrokerConnections } from './broker-connections.ts'
import { ConnectionLost } from './connection-lost.ts'
import { until } from '../../testing/scene.suite.ts'
import { SETTINGS, closedAfterEach, echo, echoed, scriptedBroker } from './testing/scripted-broker.suite.ts'
import type { ScriptedBroker, Seen } from './testing/scripted-broker.suite.ts'

const opened = closedAfterEach()

const serve = (seen: Seen): void => void seen.socket.write(echoed(seen))

async function broker(options?: Parameters<typeof scriptedBroker>[1]): Promise<ScriptedBroker> {
  return opened(await scriptedBroker(serve, options))
}

function connectionsTo(seeds: readonly { port: number }[], settings = {}): BrokerConnections {
  const names = seeds.map(({ port }) => `127.0.0.1:${port}`)
  return opened(new BrokerConnections({ ...SETTINGS, ...settings, seeds: names }))
}

const at = (nodeId: number, { port }: { port: number }) => ({ nodeId, host: '127.0.0.1', port })

describe('brokers that may be asked about the cluster', { timeout: 60_000 }, () => {
  it('fault R11: one that swallows everything stalls a question once, and later ones not at all', async () => {
    const [hole, good] = [await broker({ isMute: () => true }), await broker()]
    const connections = connectionsTo([hole, good], { requestTimeoutMs: 200 })
    for (const text of ['one', 'two', 'three'])
      expect(await connections.sendAny(echo(text, 20_000))).toEqual({ text })
    expect([hole.connections(), good.connections()]).toEqual([1, 1])
  })

  it('fault R11: one that is gone is asked last, until the others are gone too', async () => {
    const [first, second] = [await broker(), await broker()]
    const connections = connectionsTo([first, second])
    await first.close()
    expect(await connections.sendAny(echo('one'))).toEqual({ text: 'one' })
    await second.close()
    await expect(connections.sendAny(echo('two'))).rejects.toThrow(ConnectionLost)
  })

  it('fault R11: addresses that the cluster no longer names are forgotten', async () => {
    const [seed, stale, moved] = [await broker(), await broker(), await broker()]
    const connections = connectionsTo([seed])
    connections.learnAll([at(1, seed), at(2, stale)])
    expect(await connections.send('lane', 2, echo('there'))).toEqual({ text: 'there' })
    connections.learnAll([at(1, seed)])
    await expect(connections.send('lane', 2, echo('gone'))).rejects.toThrow('broker 2 has left the cluster')
    await connections.sendAny(echo('any'))
    connections.learn(at(2, moved))
    expect(await connections.send('lane', 2, echo('back'))).toEqual({ text: 'back' })
    expect([stale.connections(), moved.connections()]).toEqual([1, 1])
  })

  it('a broker that names nobody changes nothing', async () => {
    const seed = await broker()
    const connections = connectionsTo([seed])
    connections.learnAll([at(1, seed)])
    connections.learnAll([])
    expect(await connections.send('lane', 1, echo('still there'))).toEqual({ text: 'still there' })
  })

  it('lanes do not wait for each other, and end by themselves', async () => {
    const seed = await scriptedBroker((seen) => {
      if (seen.connection > 1) serve(seen)
    })
    opened(seed)
    const connections = connectionsTo([seed])
    connections.learnAll([at(1, seed)])
    const held = connections.send('held', 1, echo('held')).catch((error: unknown) => error)
    await until('the question', () => seed.seen.some(({ apiKey }) => apiKey === 99))
    expect(await connections.send('free', 1, echo('free'))).toEqual({ text: 'free' })
    connections.closeLane('held')
    expect(await held).toBeInstanceOf(ConnectionLost)
    expect(await connections.send('free', 1, echo('free'))).toEqual({ text: 'free' })
  })
})
