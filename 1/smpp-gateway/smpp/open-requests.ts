import { Deadlines } from '../../streams/platform/deadlines.ts'
import { SEQUENCE_MAX, type Pdu } from './pdu.ts'

/**
 * How a request of ours ended. After `timeout` and `closed` nobody knows whether the operator did
 * what we asked.
 */
export type Reply =
  | { readonly kind: 'answered'; readonly pdu: Pdu }
  /** `late`: the response, should it come after all; undefined when the session ends without it. */
  | { readonly kind: 'timeout'; readonly late: Promise<Pdu | undefined> }
  | { readonly kind: 'closed' }

interface Waiting {
  readonly command: string
  readonly settle: (reply: Reply) => void
}

interface Overdue {
  readonly command: string
  readonly settle: (pdu: Pdu | undefined) => void
}

/** Requests past their deadline whose response we still know when it comes; the oldest go first. */
const OVERDUE_MAX = 10_000
const NOTHING = Promise.resolve(undefined)

export interface Pending {
  /** Takes the next free sequence number; `sequence` goes into the PDU. */
  open(command: string, timeoutMs: number): { readonly sequence: number; readonly reply: Promise<Reply> }
  /** False for a response that nobody waits for: unknown, repeated or of another command. */
  answer(pdu: Pdu): boolean
  /** Ends every open request as `closed`, and no overdue one is waited for any longer. */
  close(): void
  readonly size: number
  /** Resolves when no request is open. */
  idle(): Promise<void>
}

/**
 * The open requests of one session by sequence number, each with its own deadline (SMPP 3.4 section
 * 7.2, response timer). A submit_sm stays known after its deadline, because a late response still
 * says what became of it [S9].
 *
 * @param now monotonic, in ms
 * @param lastSequence the number before the first one
 */
export function createPending(now: () => number, lastSequence = 0): Pending {
  const waiting = new Map<number, Waiting>()
  const overdue = createOverdue()
  const idleListeners: (() => void)[] = []
  let last = lastSequence
  const nextSequence = (): number => {
    do last = after(last)
    while (waiting.has(last) || overdue.commandOf(last) !== undefined)
    return last
  }
  const deadlines = new Deadlines<number>({ now, onExpired: (sequence) => expire(sequence) })
  const finish = (sequence: number, reply: Reply): boolean => {
    const found = waiting.get(sequence)
    if (found === undefined) return false
    deadlines.delete(sequence)
    waiting.delete(sequence)
    found.settle(reply)
    if (waiting.size === 0) for (const listener of idleListeners.splice(0)) listener()
    return true
  }
  const expire = (sequence: number): void => {
    const isSubmit = waiting.get(sequence)?.command === 'submit_sm'
    finish(sequence, { kind: 'timeout', late: isSubmit ? overdue.keep(sequence, 'submit_sm') : NOTHING })
  }
  return {
    open: (command, timeoutMs) => {
      const sequence = nextSequence()
      const reply = new Promise<Reply>((settle) => {
        waiting.set(sequence, { command, settle })
      })
      deadlines.set(sequence, timeoutMs)
      return { sequence, reply }
    },
    answer: (pdu) => {
      const asked = waiting.get(pdu.sequence)?.command ?? overdue.commandOf(pdu.sequence)
      if (!answers(pdu, asked)) return false
      return finish(pdu.sequence, { kind: 'answered', pdu }) || overdue.settle(pdu.sequence, pdu)
    },
    close: () => {
      for (const sequence of waiting.keys()) finish(sequence, { kind: 'closed' })
      deadlines.clear()
      overdue.close()
    },
    get size() {
      return waiting.size
    },
    idle: () =>
      waiting.size === 0 ? Promise.resolve() : new Promise((resolve) => idleListeners.push(resolve)),
  }
}

const after = (sequence: number): number => (sequence === SEQUENCE_MAX ? 1 : sequence + 1)

const answers = ({ command }: Pdu, asked: string | undefined): boolean =>
  command === `${asked}_resp` || command === 'generic_nack'

interface Overdues {
  commandOf(sequence: number): string | undefined
  keep(sequence: number, command: string): Promise<Pdu | undefined>
  /** False for one that is not overdue. */
  settle(sequence: number, pdu: Pdu | undefined): boolean
  close(): void
}

function createOverdue(): Overdues {
  const overdue = new Map<number, Overdue>()
  const settle = (sequence: number, pdu: Pdu | undefined): boolean => {
    const found = overdue.get(sequence)
    overdue.delete(sequence)
    found?.settle(pdu)
    return found !== undefined
  }
  return {
    settle,
    commandOf: (sequence) => overdue.get(sequence)?.command,
    keep: (sequence, command) => {
      const [oldest] = overdue.keys()
      if (oldest !== undefined && overdue.size >= OVERDUE_MAX) settle(oldest, undefined)
      return new Promise((resolve) => overdue.set(sequence, { command, settle: resolve }))
    },
    close: () => {
      for (const sequence of overdue.keys()) settle(sequence, undefined)
    },
  }
}
