import { z } from 'zod'
import { SmscAccount } from './options.ts'
import { COMMAND } from './pdu.ts'

const REQUESTS = ['bind', 'submit_sm', 'enquire_link', 'unbind'] as const
type Requested = (typeof REQUESTS)[number]

const status = z.union([
  z.number().int().min(0).max(0xffffffff),
  z
    .string()
    .regex(/^0x[0-9a-f]{1,8}$/i)
    .transform(Number),
])
const ms = z.number().int().min(1).max(600_000)
const hex = z.string().regex(/^([0-9a-f]{2})*$/i, 'must be octets in hexadecimal')

/** What becomes of one answer. The request itself is handled as always: what is taken is taken. */
const Act = z.discriminatedUnion('kind', [
  /** Never sent. */
  z.strictObject({ kind: z.literal('silence') }),
  /** Another status, and no body. */
  z.strictObject({ kind: z.literal('status'), status }),
  /** generic_nack instead, with the request's sequence number or with 0. */
  z.strictObject({
    kind: z.literal('nack'),
    status,
    sequence: z.enum(['same', 'none']).default('same'),
  }),
  z.strictObject({ kind: z.literal('twice') }),
  z.strictObject({ kind: z.literal('late'), ms }),
  /** One octet each `ms`. */
  z.strictObject({ kind: z.literal('drip'), ms }),
  /** Half of it, then the line is torn down with RST. */
  z.strictObject({ kind: z.literal('reset') }),
  z.strictObject({ kind: z.literal('hang-up') }),
  /** Our unbind stands before it, in the same segment. */
  z.strictObject({ kind: z.literal('unbind') }),
  /** Any octets before and after it, in the same segment. */
  z.strictObject({
    kind: z.literal('octets'),
    before: hex.default(''),
    after: hex.default(''),
  }),
])
export type Act = z.infer<typeof Act>

/** Of the requests of one kind: after `after` of them every `every`th, `times` times. */
const Fault = z.strictObject({
  on: z.enum(REQUESTS),
  after: z.number().int().min(0).default(0),
  every: z.number().int().min(1).default(1),
  times: z.number().int().min(1).default(Number.MAX_SAFE_INTEGER),
  do: Act,
})
export type FaultInput = z.input<typeof Fault>

/** A file for `--scenario`. */
export const ScenarioFile = z.strictObject({
  operators: z
    .array(SmscAccount)
    .min(1)
    .default([SmscAccount.parse({ systemId: 'test', password: 'test' })]),
  faults: z.array(Fault).default([]),
})

interface Counted {
  readonly fault: z.infer<typeof Fault>
  met: number
  done: number
}

const REQUEST_OF: ReadonlyMap<number, Requested> = new Map([
  [COMMAND.bind_receiver, 'bind'],
  [COMMAND.bind_transmitter, 'bind'],
  [COMMAND.bind_transceiver, 'bind'],
  [COMMAND.submit_sm, 'submit_sm'],
  [COMMAND.enquire_link, 'enquire_link'],
  [COMMAND.unbind, 'unbind'],
])

/** The misbehaviour of the simulator, over all sessions. */
export class Faults {
  #counted: readonly Counted[] = []

  set(faults: readonly FaultInput[]): void {
    this.#counted = faults.map((given) => ({ fault: Fault.parse(given), met: 0, done: 0 }))
  }

  /** What becomes of the answer to this request; of several faults that are due the first. */
  next(commandId: number): Act | undefined {
    const requested = REQUEST_OF.get(commandId)
    let act: Act | undefined
    for (const counted of this.#counted) {
      const { fault } = counted
      if (fault.on !== requested) continue
      counted.met += 1
      const turn = counted.met - fault.after
      if (act !== undefined || turn < 1 || turn % fault.every !== 0 || counted.done >= fault.times) continue
      counted.done += 1
      act = fault.do
    }
    return act
  }
}
