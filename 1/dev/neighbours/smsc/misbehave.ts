import type { Socket } from 'node:net'
import { setTimeout as later } from 'node:timers'
import type { Act, Faults } from './faults.ts'
import { COMMAND, encodePdu, STATUS, type Pdu } from './pdu.ts'

export interface Line {
  readonly socket: Socket
  readonly nextSequence: () => number
  /** Into the segment that leaves at the end of this turn. */
  readonly write: (octets: Buffer) => void
  /** What was written so far leaves now. */
  readonly flush: () => void
  readonly isHeld: () => boolean
  /** While true nothing else is sent. */
  readonly hold: (isHeld: boolean) => void
}

const RESPONSE = 0x80000000
const EMPTY = Buffer.alloc(0)

/** Sends `answer`, or what `act` makes of it. */
function misbehave(act: Act, answer: Buffer, line: Line): void {
  const commandId = answer.readUInt32BE(4)
  const sequence = answer.readUInt32BE(12)
  switch (act.kind) {
    case 'silence':
      return undefined
    case 'status':
      return line.write(encodePdu(commandId, act.status, sequence))
    case 'nack':
      return line.write(
        encodePdu(COMMAND.generic_nack, act.status, act.sequence === 'same' ? sequence : 0, EMPTY),
      )
    case 'twice':
      return line.write(Buffer.concat([answer, answer]))
    case 'late':
      return void later(() => line.write(answer), act.ms).unref()
    case 'drip':
      return drip(answer, act.ms, line)
    case 'reset':
      line.flush()
      line.socket.write(answer.subarray(0, answer.length >> 1), () => line.socket.resetAndDestroy())
      return undefined
    case 'hang-up':
      line.flush()
      return void line.socket.destroy()
    case 'unbind':
      return line.write(Buffer.concat([encodePdu(COMMAND.unbind, STATUS.ROK, line.nextSequence()), answer]))
    case 'octets':
      return line.write(
        Buffer.concat([Buffer.from(act.before, 'hex'), answer, Buffer.from(act.after, 'hex')]),
      )
  }
}

/** Nothing else may come between its octets. */
function drip(answer: Buffer, everyMs: number, line: Line): void {
  if (line.isHeld()) return line.write(answer)
  line.flush()
  line.hold(true)
  let at = 0
  const next = (): void => {
    if (line.socket.destroyed) return
    line.socket.write(answer.subarray(at, at + 1))
    at += 1
    if (at < answer.length) later(next, everyMs).unref()
    else line.hold(false)
  }
  next()
}

const isResponse = (octets: Buffer): boolean => (octets.readUInt32BE(4) & RESPONSE) !== 0

/** Answers that are still to be given, or that the script never gives. */
const ACTS_MAX = 100_000

/** What becomes of the answers of one session. */
export class Acts {
  readonly #faults: Faults
  readonly #acts = new Map<number, Act>()

  constructor(faults: Faults) {
    this.#faults = faults
  }

  /** Decided with the request: its answer may come later or never. */
  meet({ commandId, sequence }: Pdu): void {
    const act = this.#faults.next(commandId)
    if (act !== undefined && this.#acts.size < ACTS_MAX) this.#acts.set(sequence, act)
  }

  /** Sends an answer as it was decided, and everything else as it is. */
  send(octets: Buffer, line: Line): void {
    const sequence = octets.readUInt32BE(12)
    const act = isResponse(octets) ? this.#acts.get(sequence) : undefined
    if (act === undefined) return line.write(octets)
    this.#acts.delete(sequence)
    misbehave(act, octets, line)
  }
}
