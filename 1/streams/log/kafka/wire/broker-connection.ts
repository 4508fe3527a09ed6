import type { Call, CallFor } from './call.ts'
import { ConnectionLost } from './connection-lost.ts'
import { openConnection } from './open-connection.ts'
import type { ConnectionSettings, OpenConnection } from './open-connection.ts'
import { placeName } from './open-socket.ts'
import type { BrokerPlace } from './open-socket.ts'

/** Of a session's time, after which another connection takes over (KIP-368). */
const SESSION_SHARE = 0.8

/** An open connection and when it should be replaced. */
interface Present extends OpenConnection {
  readonly untilMs: number
}

/**
 * The way to one broker for one lane: at most one connection at a time, opened at first use and
 * again after it was lost. A broker answers the requests of a connection one after the other and
 * holds some of them back (fetches, joins). So users that must not wait for each other have a lane
 * each.
 */
export class BrokerConnection {
  readonly #place: BrokerPlace
  readonly #settings: ConnectionSettings
  #present: Present | undefined
  #opening: Promise<Present> | undefined
  #isClosed = false

  constructor(place: BrokerPlace, settings: ConnectionSettings) {
    this.#place = place
    this.#settings = settings
  }

  /** One request, which is never repeated here. Rejects with ConnectionLost. */
  async send<Answer extends object>(callFor: CallFor<Answer>): Promise<Answer> {
    const open = await this.#open()
    const call = callFor(open.versions)
    const body = await call.encode()
    const timeoutMs = call.requestTimeoutMs ?? this.#settings.requestTimeoutMs
    const raw = await open.connection.request(call, body, timeoutMs)
    return this.#decode(open, call, raw)
  }

  close(): void {
    this.#isClosed = true
    this.#present?.connection.close()
    this.#present = undefined
  }

  async #open(): Promise<Present> {
    if (this.#isClosed) throw this.#closed()
    const present = this.#present
    if (present?.connection.isOpen === true && performance.now() < present.untilMs) return present
    this.#opening ??= this.#replace(present).finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #replace(before: Present | undefined): Promise<Present> {
    const opened = await openConnection(this.#place, this.#settings)
    if (this.#isClosed) {
      opened.connection.close()
      throw this.#closed()
    }
    before?.connection.retire()
    const { sessionMs = Number.POSITIVE_INFINITY } = opened
    this.#present = { ...opened, untilMs: performance.now() + SESSION_SHARE * sessionMs }
    return this.#present
  }

  /** What cannot be read was damaged or is out of step: the next request needs another stream. */
  async #decode<Answer extends object>(
    { connection }: Present,
    call: Call<Answer>,
    raw: Buffer,
  ): Promise<Answer> {
    try {
      const answer = await call.decode(raw)
      if ('clientSideThrottleTime' in answer && typeof answer.clientSideThrottleTime === 'number')
        connection.throttle(answer.clientSideThrottleTime)
      return answer
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      connection.close(`an answer to ${call.apiName} cannot be read`)
      throw new ConnectionLost(`${call.apiName} from ${connection.name}: ${error.message}`)
    }
  }

  #closed(): ConnectionLost {
    return new ConnectionLost(`the connection to ${placeName(this.#place)} is closed`)
  }
}
