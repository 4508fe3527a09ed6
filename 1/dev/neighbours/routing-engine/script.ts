import { BoundedMap } from '../../../streams/platform/bounded-map.ts'
/**
 * Faults on demand, by prefix of the destination, so that a test chooses the behaviour with the
 * number it sends to. All prefixes lie in one range, +447999 0, four digits from the end of a
 * United Kingdom mobile number: the last three stay free to choose the operator's behaviour
 * (dev/neighbours/smsc/script.ts). A call is one gRPC call: the client repeats once at once [CI2],
 * so one try of the pipeline may cost two calls. Calls are counted by message_id; a message beyond
 * the bound starts again at 0.
 *
 * | Prefix      | Answer                                                         |
 * |-------------|----------------------------------------------------------------|
 * | +44799900   | NOT_FOUND                                                      |
 * | +44799901   | UNAVAILABLE for call 1, then the route                         |
 * | +44799902   | UNAVAILABLE for calls 1-2, then the route                      |
 * | +44799904   | UNAVAILABLE for calls 1-4, then the route                      |
 * | +44799906   | UNAVAILABLE for calls 1-6, then the route                      |
 * | +44799909   | UNAVAILABLE always                                             |
 * | +44799910   | answers after 1,000 ms always (deadline is 200 ms)             |
 * | +44799911   | answers after 1,000 ms for calls 1-2, then at once             |
 * | +44799920   | RESOURCE_EXHAUSTED always                                      |
 * | +44799921   | INTERNAL always                                                |
 * | +44799922   | UNKNOWN always                                                 |
 * | +44799923   | PERMISSION_DENIED always (a code that no rule names)           |
 * | +44799930   | INVALID_ARGUMENT always                                        |
 * | +44799940   | OK with an empty operator_id always                            |
 * | +44799950   | answers after 100 ms always (slow, within the deadline)        |
 */
export type ScriptedCode =
  | 'NOT_FOUND'
  | 'UNAVAILABLE'
  | 'RESOURCE_EXHAUSTED'
  | 'INTERNAL'
  | 'UNKNOWN'
  | 'PERMISSION_DENIED'
  | 'INVALID_ARGUMENT'

export type Fault =
  | { readonly kind: 'refuse'; readonly code: ScriptedCode }
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'empty' }

interface Scripted {
  readonly prefix: string
  readonly fault: Fault
  /** The fault ends after this many calls of a message. */
  readonly calls: number
}

const TOO_LATE_MS = 1_000
const SLOW_MS = 100

const refuse = (prefix: string, code: ScriptedCode, calls = Infinity): Scripted => ({
  prefix,
  fault: { kind: 'refuse', code },
  calls,
})
const delay = (prefix: string, delayMs: number, calls = Infinity): Scripted => ({
  prefix,
  fault: { kind: 'delay', delayMs },
  calls,
})

const SCRIPT: readonly Scripted[] = [
  refuse('+44799900', 'NOT_FOUND'),
  refuse('+44799901', 'UNAVAILABLE', 1),
  refuse('+44799902', 'UNAVAILABLE', 2),
  refuse('+44799904', 'UNAVAILABLE', 4),
  refuse('+44799906', 'UNAVAILABLE', 6),
  refuse('+44799909', 'UNAVAILABLE'),
  delay('+44799910', TOO_LATE_MS),
  delay('+44799911', TOO_LATE_MS, 2),
  refuse('+44799920', 'RESOURCE_EXHAUSTED'),
  refuse('+44799921', 'INTERNAL'),
  refuse('+44799922', 'UNKNOWN'),
  refuse('+44799923', 'PERMISSION_DENIED'),
  refuse('+44799930', 'INVALID_ARGUMENT'),
  { prefix: '+44799940', fault: { kind: 'empty' }, calls: Infinity },
  delay('+44799950', SLOW_MS),
]

const MESSAGES_MAX = 100_000

/** Counts the calls of each message and says which fault, if any, this call meets. */
export class FaultScript {
  readonly #calls = new BoundedMap<string, number>(MESSAGES_MAX)

  next(messageId: string, to: string): Fault | undefined {
    const scripted = SCRIPT.find(({ prefix }) => to.startsWith(prefix))
    if (scripted === undefined) return undefined
    const call = (this.#calls.get(messageId) ?? 0) + 1
    this.#calls.set(messageId, call)
    return call <= scripted.calls ? scripted.fault : undefined
  }
}
