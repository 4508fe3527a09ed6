import { connect, createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { API, Frames } from './frames.ts'
import { Gate } from './gate.ts'
import { KafkaProxy } from './kafka-proxy.ts'

/** A broker that notes what it gets and answers each request with 5,000 bytes. */
const ANSWER_BYTES = 5_000
let server: Server
let got: { correlationId: number; frame: Buffer }[]
let bytesGot: number
let proxy: KafkaProxy
let clients: Socket[]

beforeEach(async () => {
  got = []
  bytesGot = 0
  clients = []
  server = createServer((socket) => {
    const frames = new Frames()
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      bytesGot += chunk.length
      for (const frame of frames.take(chunk)) {
        got.push({ correlationId: frame.readInt32BE(8), frame })
        socket.write(answerTo(frame.readInt32BE(8)))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  proxy = await KafkaProxy.open([{ target: { host: '127.0.0.1', port: address.port }, port: 0 }])
})

afterEach(async () => {
  for (const client of clients) client.destroy()
  await proxy.close()
  await new Promise((resolve) => server.close(resolve))
})

function answerTo(correlationId: number): Buffer {
  const frame = Buffer.alloc(4 + ANSWER_BYTES, correlationId)
  frame.writeInt32BE(ANSWER_BYTES, 0)
  frame.writeInt32BE(correlationId, 4)
  return frame
}

function request(apiKey: number, correlationId: number): Buffer {
  const frame = Buffer.alloc(60)
  frame.writeInt32BE(56, 0)
  frame.writeInt16BE(apiKey, 4)
  frame.writeInt32BE(correlationId, 8)
  frame.writeInt16BE(4, 12)
  frame.write('test', 14)
  return frame
}

interface Client {
  readonly socket: Socket
  readonly bytes: () => number
  readonly answers: () => number[]
}

async function open(): Promise<Client> {
  const socket = connect(proxy.hops[0]?.port ?? 0, '127.0.0.1')
  clients.push(socket)
  socket.on('error', () => undefined)
  const frames = new Frames()
  const answers: number[] = []
  let bytes = 0
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    for (const frame of frames.take(chunk)) {
      expect(frame).toEqual(answerTo(frame.readInt32BE(4)))
      answers.push(frame.readInt32BE(4))
    }
  })
  await once(socket, 'connect')
  return { socket, bytes: () => bytes, answers: () => answers }
}

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !holds(); await sleep(2))
    if (Date.now() > deadline) throw new Error('in vain')
}

describe('the proxy', () => {
  it('passes every byte in order, however the frames are cut up', async () => {
    const client = await open()
    const all = Buffer.concat([request(API.fetch, 1), request(API.produce, 2), request(API.endTxn, 3)])
    for (let at = 0; at < all.length; at += 7) {
      client.socket.write(all.subarray(at, at + 7))
      await sleep(1)
    }
    await until(() => client.answers().length === 3)
    expect(client.answers()).toEqual([1, 2, 3])
    expect(Buffer.concat(got.map(({ frame }) => frame))).toEqual(all)
    expect(proxy.counters.requests).toEqual({ fetch: 1, produce: 1, endTxn: 1 })
  })

  it('cuts an answer after exactly the bytes of the order, once, and only of the request that is meant', async () => {
    const met = proxy.next({ apiKey: API.fetch, client: 'te' }, { kind: 'cut-answer', afterBytes: 1_449 })
    const [client, other] = [await open(), await open()]
    client.socket.write(request(API.produce, 1))
    await until(() => client.answers().length === 1)
    client.socket.write(request(API.fetch, 2))
    await once(client.socket, 'close')
    expect(client.bytes()).toBe(4 + ANSWER_BYTES + 1_449)
    expect(await met).toMatchObject({ apiKey: API.fetch, correlationId: 2, clientId: 'test', broker: 0 })
    other.socket.write(request(API.fetch, 3))
    await until(() => other.answers().length === 1)
    expect(proxy.counters.acts).toEqual({ 'cut-answer fetch': 1 })
  })

  it('cuts a request after exactly the bytes of the order, and never lets its last byte through', async () => {
    for (const [afterBytes, passed] of [
      [5, 5],
      [1_000, 59],
    ] as const) {
      bytesGot = 0
      void proxy.next({ apiKey: API.produce }, { kind: 'cut-request', afterBytes })
      const client = await open()
      client.socket.write(request(API.produce, 1))
      await once(client.socket, 'close')
      await until(() => bytesGot === passed)
    }
    expect(got).toEqual([])
  })

  it('lets a request arrive late: past the next on the same connection, and after its client has gone', async () => {
    const gate = new Gate()
    const hold = { kind: 'hold', hold: () => gate.opened } as const
    void proxy.next({ apiKey: API.endTxn }, { ...hold, overtaken: true })
    void proxy.next({ apiKey: API.heartbeat }, { ...hold, thenCut: true })
    const [client, gone] = [await open(), await open()]
    gone.socket.write(request(API.heartbeat, 1))
    await once(gone.socket, 'close')
    client.socket.write(Buffer.concat([request(API.endTxn, 2), request(API.fetch, 3)]))
    await until(() => client.answers().length === 1)
    expect(got.map(({ correlationId }) => correlationId)).toEqual([3])
    gate.open()
    await until(() => got.length === 3 && client.answers().length === 2)
    expect(client.answers()).toEqual([3, 2])
    expect(got.map(({ correlationId }) => correlationId).toSorted((a, b) => a - b)).toEqual([1, 2, 3])
  })

  it('lets what is behind a held request wait, as TCP does', async () => {
    const gate = new Gate()
    const met = proxy.next({ apiKey: API.endTxn }, { kind: 'hold', hold: () => gate.opened })
    const client = await open()
    client.socket.write(Buffer.concat([request(API.endTxn, 2), request(API.fetch, 3)]))
    await met
    const other = await open()
    other.socket.write(request(API.fetch, 4))
    await until(() => other.answers().length === 1)
    expect(got.map(({ correlationId }) => correlationId)).toEqual([4])
    gate.open()
    await until(() => client.answers().length === 2)
    expect(client.answers()).toEqual([2, 3])
  })

  it('holds a connection half open: no answer, no end, and the broker has the request or not', async () => {
    for (const from of ['request', 'answer'] as const) {
      got.length = 0
      const met = proxy.next({ apiKey: API.fetch }, { kind: 'half-open', from })
      const [client, witness] = [await open(), await open()]
      client.socket.write(Buffer.concat([request(API.fetch, 1), request(API.produce, 2)]))
      await met
      witness.socket.write(request(API.metadata, 3))
      await until(() => witness.answers().length === 1)
      expect(client.bytes()).toBe(0)
      expect(client.socket.destroyed).toBe(false)
      const numbers = (): number[] => got.map(({ correlationId }) => correlationId)
      const expected = from === 'answer' ? [1, 3] : [3]
      await until(() => numbers().length >= expected.length)
      expect(numbers().toSorted((a, b) => a - b)).toEqual(expected)
    }
  })

  it('refuses, lets bytes wait, and mends on the same port', async () => {
    const [hop] = proxy.hops
    const client = await open()
    hop?.freeze()
    client.socket.write(request(API.fetch, 1))
    await sleep(50)
    expect(client.answers()).toEqual([])
    await hop?.mend()
    await until(() => client.answers().length === 1)
    await hop?.cut()
    await until(() => client.socket.destroyed)
    const refused = connect(hop?.port ?? 0, '127.0.0.1')
    await expect(once(refused, 'connect')).rejects.toThrow('ECONNREFUSED')
    await hop?.mend()
    const again = await open()
    again.socket.write(request(API.fetch, 2))
    await until(() => again.answers().length === 1)
  })
})
