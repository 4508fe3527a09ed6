import { setTimeout as sleep } from 'node:timers/promises'
import type { Socket } from 'node:net'
import type { Act, Decide, SeenRequest } from './acts.ts'
import { answerCorrelation, Frames, requestHeader } from './frames.ts'
import { pass, type Pair } from './hop.ts'

export interface ConnectionOptions extends Pair {
  readonly broker: number
  readonly connection: number
  readonly decide: Decide
}

const SEGMENT_BYTES = 1_448

/**
 * One connection, frame by frame. A frame is handed on once it has come whole, which no peer can
 * tell from a slow network; so an act always knows what it acts upon.
 */
export class KafkaConnection {
  readonly #options: ConnectionOptions
  /** Answers that will be cut, by correlation id. */
  readonly #cuts = new Map<number, number>()
  /** Correlation ids of requests that were held back and not answered yet. */
  readonly #owed = new Set<number>()
  #up: Promise<void> = Promise.resolve()
  #down: Promise<void> = Promise.resolve()
  #pauseMs = 0
  #isMute = false
  #client = ''

  constructor(options: ConnectionOptions) {
    this.#options = options
    const { near, far } = options
    this.#read(near, (frame) => this.#later('up', () => this.#request(frame)))
    this.#read(far, (frame) => this.#later('down', () => this.#answer(frame)))
    near.on('close', () => this.#settle())
    far.on('close', () => this.#later('down', () => this.#isMute || near.destroySoon()))
  }

  get client(): string {
    return this.#client
  }

  get number(): number {
    return this.#options.connection
  }

  get isOpen(): boolean {
    const { near, far } = this.#options
    return !near.destroyed && !far.destroyed && !this.#isMute
  }

  /** Ends both sides now, whatever is under way. */
  cut(): void {
    this.#options.near.destroy()
    this.#options.far.destroy()
  }

  #read(from: Socket, take: (frame: Buffer) => void): void {
    const frames = new Frames()
    from.on('data', (chunk: Buffer) => {
      try {
        for (const frame of frames.take(chunk)) take(frame)
      } catch {
        // Not Kafka: neither end would know how to go on.
        this.cut()
      }
    })
  }

  /** Keeps the order within a direction while something in it waits. */
  #later(direction: 'up' | 'down', work: () => unknown): void {
    if (direction === 'up') this.#up = this.#up.then(work).then(noted, () => this.cut())
    else this.#down = this.#down.then(work).then(noted, () => this.cut())
  }

  async #request(frame: Buffer): Promise<void> {
    if (this.#isMute) return
    const { broker, connection, decide } = this.#options
    const seen: SeenRequest = { ...requestHeader(frame), broker, connection }
    this.#client = seen.clientId
    const act = decide(seen)
    if (act === undefined) await this.#send('far', frame)
    else await this.#act(act, frame, seen)
  }

  async #act(act: Act, frame: Buffer, { correlationId }: SeenRequest): Promise<void> {
    switch (act.kind) {
      case 'cut-request':
        return this.#cutAfter('far', frame, act.afterBytes)
      case 'cut-answer':
        this.#cuts.set(correlationId, act.afterBytes)
        return this.#send('far', frame)
      case 'hold':
        return this.#hold(act, frame, correlationId)
      case 'half-open':
        if (act.from === 'answer') await this.#send('far', frame)
        this.#isMute = true
        return undefined
      case 'slow':
        this.#pauseMs = act.pauseMs
        return this.#send('far', frame)
    }
  }

  async #hold(act: Act & { kind: 'hold' }, frame: Buffer, correlationId: number): Promise<void> {
    this.#owed.add(correlationId)
    if (act.thenCut === true) this.#options.near.destroy()
    const arrival = act.hold().then(() => this.#send('far', frame))
    if (act.overtaken === true) arrival.catch(() => this.cut())
    else await arrival
  }

  async #answer(frame: Buffer): Promise<void> {
    if (this.#isMute) return
    const correlationId = answerCorrelation(frame)
    const afterBytes = this.#cuts.get(correlationId)
    if (afterBytes !== undefined) return this.#cutAfter('near', frame, afterBytes)
    await this.#send('near', frame)
    this.#owed.delete(correlationId)
    if (this.#options.near.destroyed) this.#settle()
  }

  /** The bytes have left before the end, so the other side has got exactly them. */
  #cutAfter(end: 'near' | 'far', frame: Buffer, afterBytes: number): void {
    const part = frame.subarray(0, Math.min(afterBytes, frame.length - 1))
    if (part.length === 0) this.cut()
    else this.#options[end].write(part, () => this.cut())
  }

  async #send(end: 'near' | 'far', frame: Buffer): Promise<void> {
    const { near, far, isFrozen } = this.#options
    const [from, to] = end === 'far' ? [near, far] : [far, near]
    if (this.#pauseMs === 0) return pass(from, to, frame, isFrozen)
    for (let at = 0; at < frame.length && !to.destroyed; at += SEGMENT_BYTES) {
      await sleep(this.#pauseMs)
      pass(from, to, frame.subarray(at, at + SEGMENT_BYTES), isFrozen)
    }
  }

  /** The client is gone: the broker's side stays while a held request is on its way. */
  #settle(): void {
    if (this.#owed.size === 0 && !this.#isMute) this.#options.far.destroySoon()
  }
}

const noted = (): undefined => undefined
