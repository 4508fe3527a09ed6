import type { Socket } from 'node:net'
import type { ApiName, RequestBody } from './call.ts'
import { ConnectionLost } from './connection-lost.ts'
import { FrameReader, framed } from './frames.ts'

/** A request that waits for its answer. */
interface Waiting {
  readonly correlationId: number
  readonly apiName: string
  readonly timer: NodeJS.Timeout
  resolve(raw: Buffer): void
  reject(error: Error): void
}

/** Users wait for their answers; more than this of them means that something else is wrong. */
const WAITING_MAX = 10_000

const CORRELATION_BYTES = 4

/**
 * One open socket and all that belongs to it: the frame that is half read, the requests without an
 * answer. It ends once, with everything it has, and never comes back; the next request needs
 * another one. A broker answers in the order of the requests, so an answer to any but the oldest
 * means that the stream cannot be trusted any more, and one that does not come holds back all
 * others.
 */
export class Connection {
  readonly name: string
  readonly #socket: Socket
  readonly #clientId: Buffer
  readonly #frames = new FrameReader()
  #waiting: Waiting[] = []
  #correlationId = 0
  #isCorked = false
  #isRetired = false
  #throttledUntilMs = 0
  #lost: string | undefined

  /** @param socket connected, and with no other reader */
  constructor(socket: Socket, name: string, clientId: string) {
    this.#socket = socket
    this.name = name
    this.#clientId = Buffer.from(clientId)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error) => this.#end(error.message))
    socket.on('end', () => this.#end('closed by the broker'))
    socket.on('close', () => this.#end('closed'))
  }

  get isOpen(): boolean {
    return this.#lost === undefined
  }

  /** The bytes of the answer. Rejects with ConnectionLost. */
  request(api: ApiName, body: RequestBody, timeoutMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) return reject(this.#lostAt(api.apiName, this.#lost))
      if (this.#waiting.length >= WAITING_MAX)
        return reject(this.#lostAt(api.apiName, `${WAITING_MAX} requests wait already`))
      this.#correlationId = (this.#correlationId + 1) & 0x7fff_ffff
      const [correlationId, { apiName }] = [this.#correlationId, api]
      const frame = framed(api, body, correlationId, this.#clientId)
      const withinMs = timeoutMs + Math.max(this.#throttledUntilMs - performance.now(), 0)
      const reason = `no answer to ${apiName} for ${timeoutMs} ms`
      const timer = setTimeout(() => this.#giveUp(correlationId, reason), withinMs)
      this.#waiting.push({ correlationId, apiName, timer, resolve, reject })
      this.#write(frame)
    })
  }

  /** The broker keeps back its answers for this long (KIP-219): deadlines begin after it. */
  throttle(forMs: number): void {
    this.#throttledUntilMs = Math.max(this.#throttledUntilMs, performance.now() + forMs)
  }

  /** Ends it; requests without an answer are rejected. */
  close(reason = 'closed here'): void {
    this.#end(reason)
  }

  /** Another one takes its place: ends when the last request is answered. */
  retire(): void {
    this.#isRetired = true
    if (this.#waiting.length === 0) this.#end('replaced')
  }

  /** Requests of the same tick leave together. */
  #write(frame: Buffer): void {
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#isCorked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(frame)
  }

  /** A process that was held up itself first reads what has come in the meantime. */
  #giveUp(correlationId: number, reason: string): void {
    setImmediate(() => {
      if (this.#waiting.some((one) => one.correlationId === correlationId)) this.#end(reason)
    })
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.push(chunk)) {
        // A former frame of the same bytes may have ended it.
        if (this.#lost === undefined) this.#answer(frame)
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#end(error.message)
    }
  }

  #answer(frame: Buffer): void {
    const [oldest] = this.#waiting
    const correlationId = frame.readInt32BE()
    if (oldest?.correlationId !== correlationId) return this.#end(`answer ${correlationId} out of turn`)
    this.#waiting.shift()
    clearTimeout(oldest.timer)
    oldest.resolve(frame.subarray(CORRELATION_BYTES))
    if (this.#isRetired && this.#waiting.length === 0) this.#end('replaced')
  }

  #end(reason: string): void {
    if (this.#lost !== undefined) return
    this.#lost = reason
    this.#socket.destroy()
    const waiting = this.#waiting
    this.#waiting = []
    for (const one of waiting) {
      clearTimeout(one.timer)
      one.reject(this.#lostAt(one.apiName, reason))
    }
  }

  #lostAt(apiName: string, reason: string): ConnectionLost {
    return new ConnectionLost(`${apiName}: connection to ${this.name} lost: ${reason}`)
  }
}
