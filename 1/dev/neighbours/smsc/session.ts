import type { Socket } from 'node:net'
import { setTimeout as later } from 'node:timers'
import type { Account, PendingReceipt, Receiver } from './account.ts'
import { decodeBind, decodeShortMessage, type Bind } from './bodies.ts'
import type { Centre, Verdict } from './centre.ts'
import { Deliveries, type DeliveriesContext } from './deliveries.ts'
import type { Faults } from './faults.ts'
import { cString, encodeTlv, TAG } from './fields.ts'
import { Acts, type Line } from './misbehave.ts'
import { COMMAND, encodePdu, Framer, responseTo, STATUS, type Pdu } from './pdu.ts'

export interface SessionContext extends DeliveriesContext {
  readonly centre: Centre
  readonly faults: Faults
  readonly account: (systemId: string) => Account | undefined
  readonly onClose: (session: Session) => void
}

/** A peer that does not read is cut off here instead of filling the memory. */
const OUTPUT_BYTES_MAX = 64 * 1_048_576
const SEQUENCE_MAX = 0x7fffffff
const INTERFACE_VERSION = encodeTlv(TAG.sc_interface_version, Buffer.of(0x34))
const BINDS: ReadonlyMap<number, { readonly sends: boolean; readonly receives: boolean }> = new Map([
  [COMMAND.bind_transmitter, { sends: true, receives: false }],
  [COMMAND.bind_receiver, { sends: false, receives: true }],
  [COMMAND.bind_transceiver, { sends: true, receives: true }],
])

/**
 * One TCP connection and its SMPP state (SMPP 3.4 section 2.2). All writes of one turn leave in one
 * segment.
 */
export class Session implements Receiver {
  readonly number: number
  readonly #socket: Socket
  readonly #context: SessionContext
  readonly #framer = new Framer()
  #deliveries: Deliveries | undefined
  #account: Account | undefined
  #sends = false
  #sequence = 0
  #output: Buffer[] = []
  #isHeld = false
  readonly #acts: Acts
  readonly #line: Line
  #closed = false

  constructor(number: number, socket: Socket, context: SessionContext) {
    this.number = number
    this.#socket = socket
    this.#context = context
    this.#acts = new Acts(context.faults)
    this.#line = this.#lineOf(socket)
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#read(chunk))
    // The reason of a broken line is of no interest here: 'close' follows and says all.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#ended())
  }

  get systemId(): string {
    return this.#account?.settings.systemId ?? ''
  }

  get hasRoom(): boolean {
    return !this.#closed && this.#deliveries?.hasRoom === true
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Cuts the line without a word. */
  drop(): void {
    this.#flush()
    this.#socket.destroy()
  }

  enquire(): void {
    this.#write(encodePdu(COMMAND.enquire_link, STATUS.ROK, this.#nextSequence()))
  }

  unbind(): void {
    this.#write(encodePdu(COMMAND.unbind, STATUS.ROK, this.#nextSequence()))
  }

  /** The account asks `hasRoom` first. */
  deliver(pending: PendingReceipt): void {
    if (this.#deliveries !== undefined) this.#write(this.#deliveries.start(pending, this.#nextSequence()))
  }

  sweep(): void {
    this.#deliveries?.sweep()
  }

  #lineOf(socket: Socket): Line {
    return {
      socket,
      nextSequence: () => this.#nextSequence(),
      write: (octets) => this.#append(octets),
      flush: () => this.#flush(),
      isHeld: () => this.#isHeld,
      hold: (isHeld) => {
        this.#isHeld = isHeld
        this.#flush()
      },
    }
  }

  #read(chunk: Buffer): void {
    const { pdus, lost } = this.#framer.push(chunk)
    for (const pdu of pdus) {
      this.#acts.meet(pdu)
      if (!this.#closed) this.#handle(pdu)
    }
    if (!lost || this.#closed) return
    this.#fault('command_length out of range', STATUS.RINVCMDLEN)
    this.#write(encodePdu(COMMAND.generic_nack, STATUS.RINVCMDLEN, 0))
    this.drop()
  }

  #handle(pdu: Pdu): void {
    const bind = BINDS.get(pdu.commandId)
    if (bind !== undefined) return this.#bind(pdu, bind)
    switch (pdu.commandId) {
      case COMMAND.submit_sm:
        return this.#submit(pdu)
      case COMMAND.enquire_link:
        return this.#answerEnquiry(pdu)
      case responseTo(COMMAND.enquire_link):
        this.#context.counters.enquiryAnswers += 1
        return undefined
      case responseTo(COMMAND.deliver_sm):
        return this.#deliveries?.answered(pdu.sequence, pdu.status)
      case COMMAND.generic_nack:
        return this.#deliveries?.answered(
          pdu.sequence,
          pdu.status === STATUS.ROK ? STATUS.RSYSERR : pdu.status,
        )
      case COMMAND.unbind:
        return this.#unbound(pdu)
      case responseTo(COMMAND.unbind):
        this.#socket.end()
        return undefined
      default:
        this.#fault('command is not known', STATUS.RINVCMDID)
        return this.#write(encodePdu(COMMAND.generic_nack, STATUS.RINVCMDID, pdu.sequence))
    }
  }

  #bind(pdu: Pdu, mode: { readonly sends: boolean; readonly receives: boolean }): void {
    const bind = decodeBind(pdu.body)
    const status = bind === undefined ? STATUS.RINVCMDLEN : this.#bindStatus(pdu.commandId, bind)
    const account = bind === undefined ? undefined : this.#context.account(bind.systemId)
    const systemId = bind?.systemId ?? ''
    this.#context.journal.record({ kind: 'bind', systemId, session: this.number, status })
    if (status !== STATUS.ROK || account === undefined) {
      this.#context.counters.bindsRefused += 1
      return this.#write(encodePdu(responseTo(pdu.commandId), status, pdu.sequence))
    }
    this.#context.counters.binds += 1
    this.#account = account
    account.bound += 1
    this.#sends = mode.sends
    const body = Buffer.concat([cString('SMSC'), INTERFACE_VERSION])
    this.#write(encodePdu(responseTo(pdu.commandId), STATUS.ROK, pdu.sequence, body))
    if (!mode.receives) return
    this.#deliveries = new Deliveries(account, this.number, this.#context)
    account.join(this)
  }

  #bindStatus(commandId: number, { systemId, password, interfaceVersion }: Bind): number {
    if (this.#account !== undefined) return STATUS.RALYBND
    const account = this.#context.account(systemId)
    if (account === undefined) return STATUS.RINVSYSID
    const { settings, bound } = account
    if (settings.bindStatus !== 0) return settings.bindStatus
    if (settings.password !== password) return STATUS.RINVPASWD
    if (interfaceVersion !== 0x34) return STATUS.RBINDFAIL
    if (settings.bindsMax > 0 && bound >= settings.bindsMax) return STATUS.RBINDFAIL
    const isRefused = commandId === COMMAND.bind_transceiver && !settings.transceiver
    return isRefused ? STATUS.RINVCMDID : STATUS.ROK
  }

  #submit(pdu: Pdu): void {
    const respond = responseTo(COMMAND.submit_sm)
    if (this.#account === undefined || !this.#sends)
      return this.#write(encodePdu(respond, STATUS.RINVBNDSTS, pdu.sequence))
    const message = decodeShortMessage(pdu.body)
    if (message === undefined) {
      this.#fault('submit_sm is malformed', STATUS.RINVOPTPARSTREAM)
      return this.#write(encodePdu(respond, STATUS.RINVOPTPARSTREAM, pdu.sequence))
    }
    const verdict = this.#context.centre.submit(this.#account, this.number, message)
    this.#reply(verdict, pdu.sequence, this.#account.settings.responseDelayMs)
  }

  #reply({ reply, messageId }: Verdict, sequence: number, delayMs: number): void {
    const ok = encodePdu(responseTo(COMMAND.submit_sm), STATUS.ROK, sequence, cString(messageId))
    switch (reply.kind) {
      case 'silence':
        return undefined
      case 'hang-up':
        return this.drop()
      case 'respond-late':
        return this.#writeLater(ok, this.#context.timing.lateResponseMs)
      case 'respond':
        if (reply.withId) return this.#writeLater(ok, delayMs)
        return this.#writeLater(refusalOf(reply, sequence), delayMs)
    }
  }

  #answerEnquiry(pdu: Pdu): void {
    this.#context.counters.enquiries += 1
    if (this.#account?.settings.answersEnquireLink === false) return
    this.#write(encodePdu(responseTo(COMMAND.enquire_link), STATUS.ROK, pdu.sequence))
  }

  #unbound(pdu: Pdu): void {
    this.#record('unbind')
    this.#write(encodePdu(responseTo(COMMAND.unbind), STATUS.ROK, pdu.sequence))
    this.#flush()
    this.#socket.end()
  }

  #ended(): void {
    this.#closed = true
    this.#record('close')
    this.#context.centre.sessionEnded(this.number)
    if (this.#account !== undefined) this.#account.bound -= 1
    this.#account?.leave(this)
    this.#deliveries?.abandon()
    this.#context.onClose(this)
  }

  #record(kind: 'unbind' | 'close'): void {
    this.#context.journal.record({ kind, systemId: this.systemId, session: this.number, status: 0 })
  }

  #fault(rule: string, status: number): void {
    this.#context.counters.malformed += 1
    this.#context.journal.record({
      kind: 'fault',
      systemId: this.systemId,
      session: this.number,
      rule,
      status,
    })
  }

  #nextSequence(): number {
    this.#sequence = this.#sequence >= SEQUENCE_MAX ? 1 : this.#sequence + 1
    return this.#sequence
  }

  #writeLater(octets: Buffer, delayMs: number): void {
    if (delayMs === 0) this.#write(octets)
    else later(() => this.#write(octets), delayMs).unref()
  }

  #write(octets: Buffer): void {
    this.#acts.send(octets, this.#line)
  }

  #append(octets: Buffer): void {
    if (this.#closed) return
    if (this.#output.length === 0) setImmediate(() => this.#flush())
    this.#output.push(octets)
  }

  #flush(): void {
    if (this.#output.length === 0 || this.#closed || this.#isHeld) return
    this.#socket.write(Buffer.concat(this.#output))
    this.#output = []
    if (this.#socket.writableLength > OUTPUT_BYTES_MAX) this.#socket.destroy()
  }
}

const refusalOf = (
  { status, nack }: { readonly status: number; readonly nack: boolean },
  sequence: number,
): Buffer =>
  nack
    ? encodePdu(COMMAND.generic_nack, status, sequence)
    : encodePdu(
        responseTo(COMMAND.submit_sm),
        status,
        sequence,
        // ESME_ROK without an id still has the empty string that SMPP 3.4 asks for; an error has no
        // body.
        status === STATUS.ROK ? cString('') : undefined,
      )
