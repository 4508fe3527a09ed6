import type { Socket } from 'node:net'
import { sleep } from '../../../platform/backoff.ts'
import { Cluster } from '../cluster/cluster.ts'
import { brokersFromEnv } from './held-transaction.suite.ts'
import { openSocket } from '../wire/open-socket.ts'
import type { SocketFactory } from '../wire/open-socket.ts'

/** Where the api key stands in a framed request. */
const API_KEY_AT = 4

export const API = { produce: 0, addPartitions: 24, endTxn: 26, txnOffsetCommit: 28 }

/** What the network does to requests with a certain api key. */
export interface Faults {
  /**
   * Requests that arrive, but whose answer is lost together with the connection: how many, by api
   * key.
   */
  readonly answersLost: Map<number, number>
  /** No request of any kind arrives, and no connection opens. */
  isDown: boolean
  /** Arrived requests by api key. */
  readonly sent: Map<number, number>
}

/** A cluster whose connections do what a test says. The requests reach the real brokers. */
export function faultyCluster(): { readonly cluster: Cluster; readonly faults: Faults } {
  const faults: Faults = { answersLost: new Map(), isDown: false, sent: new Map() }
  const socketFactory: SocketFactory = (to, tls) => spoil(openSocket(to, tls), faults)
  const connections = {
    seeds: brokersFromEnv(),
    clientId: 'faulty',
    socketFactory,
    nonce: () => 'unused',
    connectTimeoutMs: 1_000,
    requestTimeoutMs: 2_000,
  }
  return { cluster: new Cluster(connections, { now: Date.now, random: Math.random, sleep }), faults }
}

function spoil(socket: Socket, faults: Faults): Socket {
  const cut = () => socket.destroy(new Error('cut by the test'))
  if (faults.isDown) setImmediate(cut)
  const write = socket.write.bind(socket)
  const emit = socket.emit.bind(socket)
  let isDoomed = false
  socket.write = (data: Uint8Array | string): boolean => {
    if (faults.isDown) return setImmediate(cut) !== undefined
    const apiKey = Buffer.from(data).readInt16BE(API_KEY_AT)
    faults.sent.set(apiKey, (faults.sent.get(apiKey) ?? 0) + 1)
    const left = faults.answersLost.get(apiKey) ?? 0
    if (left > 0) {
      faults.answersLost.set(apiKey, left - 1)
      isDoomed = true
    }
    return write(data)
  }
  // The answer is proof that the broker has acted; then it is lost.
  socket.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event !== 'data' || !isDoomed) return emit(event, ...args)
    cut()
    return true
  }
  return socket
}
