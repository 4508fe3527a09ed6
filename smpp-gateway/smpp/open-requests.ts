import { SEQUENCE_MAX, type Pdu } from './pdu.ts'

/**
 * How a request of ours ended. After `timeout` and `closed` nobody knows whether the operator did
 * what we asked.
 */
export type Reply =
  | { readonly kind: 'answered'; readonly pdu: Pdu }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'closed' }

interface Waiting {
  readonly command: string
  readonly settle: (reply: Reply) => void
  readonly timer: NodeJS.Timeout
}

export interface Pending {
  /** Takes the next free sequence number; `sequence` goes into the PDU. */
  open(command: string, timeoutMs: number): { readonly sequence: number; readonly reply: Promise<Reply> }
  /** False for a response that nobody waits for: unknown, repeated, late or of another command. */
  answer(pdu: Pdu): boolean
  /** Ends every open request as `closed`. */
  close(): void
  readonly size: number
  /** Resolves when no request is open. */
  idle(): Promise<void>
}

/**
 * The open requests of one session by sequence number, each with its own deadline (SMPP 3.4 section
 * 7.2, response timer).
 */
export function createPending(): Pending {
  const waiting = new Map<number, Waiting>()
  const idleListeners: (() => void)[] = []
  let last = 0
  const nextSequence = (): number => {
    do last = last === SEQUENCE_MAX ? 1 : last + 1
    while (waiting.has(last))
    return last
  }
  const finish = (sequence: number, reply: Reply): boolean => {
    const found = waiting.get(sequence)
    if (found === undefined) return false
    clearTimeout(found.timer)
    waiting.delete(sequence)
    found.settle(reply)
    if (waiting.size === 0) for (const listener of idleListeners.splice(0)) listener()
    return true
  }
  return {
    open: (command, timeoutMs) => {
      const sequence = nextSequence()
      const reply = new Promise<Reply>((settle) => {
        const timer = setTimeout(() => finish(sequence, { kind: 'timeout' }), timeoutMs)
        waiting.set(sequence, { command, settle, timer })
      })
      return { sequence, reply }
    },
    answer: (pdu) => {
      const asked = waiting.get(pdu.sequence)?.command
      if (pdu.command !== `${asked}_resp` && pdu.command !== 'generic_nack') return false
      return finish(pdu.sequence, { kind: 'answered', pdu })
    },
    close: () => {
      for (const sequence of waiting.keys()) finish(sequence, { kind: 'closed' })
    },
    get size() {
      return waiting.size
    },
    idle: () =>
      waiting.size === 0 ? Promise.resolve() : new Promise((resolve) => idleListeners.push(resolve)),
  }
}
