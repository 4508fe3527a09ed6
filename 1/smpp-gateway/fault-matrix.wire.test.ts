import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FaultInput } from '../dev/neighbours/smsc/faults.ts'
import type { Smsc } from '../dev/neighbours/smsc/smsc.ts'
import { encodePdu } from './smpp/pdu.ts'
import { deliver } from './smpp/testing/peer.suite.ts'
import { phone, until } from './testing/invented.suite.ts'
import { Rig } from './testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

const hex = (...pdus: readonly Buffer[]): string => Buffer.concat(pdus).toString('hex')
const goodBindsOf = (smsc: Smsc): number =>
  smsc.entries().filter((entry) => entry.kind === 'bind' && entry.status === 0).length

/** What an operator does wrong, and whether it must be bound again for it. */
interface Row {
  readonly name: string
  readonly faults: readonly FaultInput[]
  readonly rebinds: boolean
}

const submit = (act: FaultInput['do'], every = 4, times = 3): FaultInput => ({
  on: 'submit_sm',
  every,
  times,
  do: act,
})

const MATRIX: readonly Row[] = [
  { name: 'no response to a submit', faults: [submit({ kind: 'silence' })], rebinds: false },
  { name: 'a response after the deadline', faults: [submit({ kind: 'late', ms: 800 })], rebinds: false },
  { name: 'an error to a submit', faults: [submit({ kind: 'status', status: 8 })], rebinds: false },
  { name: 'a burst of 0x58', faults: [submit({ kind: 'status', status: 0x58 }, 1, 6)], rebinds: false },
  {
    name: 'generic_nack with the sequence number',
    faults: [submit({ kind: 'nack', status: 8 })],
    rebinds: false,
  },
  {
    name: 'generic_nack without it',
    faults: [submit({ kind: 'nack', status: 8, sequence: 'none' })],
    rebinds: false,
  },
  { name: 'every response twice', faults: [submit({ kind: 'twice' }, 1, 20)], rebinds: false },
  { name: 'a response octet by octet', faults: [submit({ kind: 'drip', ms: 5 })], rebinds: false },
  { name: 'RST in the middle of a response', faults: [submit({ kind: 'reset' }, 5, 2)], rebinds: true },
  {
    name: 'a line that is cut instead of a response',
    faults: [submit({ kind: 'hang-up' }, 5, 2)],
    rebinds: true,
  },
  { name: 'unbind on a submit', faults: [submit({ kind: 'unbind' }, 5, 2)], rebinds: true },
  { name: 'RINVBNDSTS on a submit', faults: [submit({ kind: 'status', status: 4 }, 5, 2)], rebinds: true },
  {
    name: 'a bind that is refused',
    faults: [{ on: 'bind', times: 2, do: { kind: 'status', status: 0x0d } }],
    rebinds: true,
  },
  {
    name: 'a bind that is answered by generic_nack',
    faults: [{ on: 'bind', times: 2, do: { kind: 'nack', status: 3 } }],
    rebinds: true,
  },
  {
    name: 'a bind without an answer',
    faults: [{ on: 'bind', times: 1, do: { kind: 'silence' } }],
    rebinds: true,
  },
  {
    name: 'a receipt before the bind response, outbind, and one right behind it',
    faults: [
      {
        on: 'bind',
        do: { kind: 'octets', before: hex(encodePdu('outbind', 1), deliver(2)), after: hex(deliver(3)) },
      },
    ],
    rebinds: false,
  },
  {
    name: 'a command_length of 4',
    faults: [submit({ kind: 'octets', before: '00000004' }, 5, 2)],
    rebinds: true,
  },
  {
    name: 'a command_length of two gigabytes',
    faults: [submit({ kind: 'octets', after: '7fffffff00000005' }, 5, 2)],
    rebinds: true,
  },
  {
    name: 'an unknown command',
    faults: [submit({ kind: 'octets', before: '00000010000009990000000000000005' })],
    rebinds: false,
  },
  {
    name: 'a deliver_sm that cannot be read',
    faults: [submit({ kind: 'octets', before: '000000120000000500000000000000060001' })],
    rebinds: false,
  },
  {
    name: 'a receipt and unbind in one segment',
    faults: [submit({ kind: 'octets', after: hex(deliver(0x7001), encodePdu('unbind', 0x7002)) }, 5, 2)],
    rebinds: true,
  },
]

const MESSAGES = 12

describe('the fault matrix: whatever the operator does wrong', () => {
  it.each(MATRIX)(
    '$name: no result and no receipt is lost, and the session goes on',
    async ({ faults, rebinds }) => {
      await rig.openNats()
      await rig.addDurable(rig.operatorId, 40)
      const heard = await rig.hear()
      const smsc = await rig.openSmsc({ faults })
      await rig.openManagement(smsc.port)
      const running = await rig.startGateway({
        timings: {
          bindMs: 500,
          responseMs: 400,
          enquireLinkMs: 300,
          enquireLinkTimeoutMs: 2_000,
          leaveMs: 500,
        },
      })
      await rig.bound(running)
      const sent = new Set<string>()
      for (let count = 0; count < MESSAGES; count += 1)
        sent.add((await rig.send({ to: phone('000') })).messageId)
      const reported = (): ReadonlySet<string> => new Set(heard.results.map(({ messageId }) => messageId))
      await until(() => reported().size === MESSAGES, 40_000)
      const outcomes = new Set(heard.results.map(({ outcome }) => outcome))
      expect([...outcomes]).toEqual(['ACCEPTED'])
      // A message after all of it: nobody is deaf.
      smsc.setFaults([])
      const { messageId } = await rig.send({ to: phone('000') })
      await until(() => reported().has(messageId), 20_000)
      await until(() => smsc.counters().receiptsAcknowledged === smsc.counters().receiptsPlanned, 20_000)
      await rig.bound(running)
      expect(smsc.counters().receiptsDropped).toBe(0)
      expect(goodBindsOf(smsc) > 1).toBe(rebinds)
    },
    90_000,
  )
})
