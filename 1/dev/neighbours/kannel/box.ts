import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { MessageFramer, packed, TYPE, unpacked, type Fields, type MessageType } from './messages.ts'

const IDENTIFY = 3
const MT_PUSH = 2
const REPORT = 3
/** Kannel's dlr-mask: delivered, not delivered, taken by the operator, refused by it. */
const DLR = { delivered: 1, failed: 2, taken: 8, refused: 16 } as const
const EVERY_DLR = DLR.delivered | DLR.failed | DLR.taken | DLR.refused
const GSM = 0

export interface KannelMessage {
  readonly from: string
  readonly to: string
  readonly text: string
}

/** What Kannel says of a message: the operator has taken it, or what its receipt says. */
export type KannelReport = keyof typeof DLR

/**
 * A box of the bearerbox, as its smsbox is one: gives it messages, and takes and acknowledges every
 * report on them.
 */
export class KannelBox {
  readonly reports: Record<KannelReport, number> = { delivered: 0, failed: 0, taken: 0, refused: 0 }
  /** Texts of the reports that the operator refused a message. */
  readonly refusals: string[] = []
  readonly #socket: Socket
  readonly #framer = new MessageFramer()
  readonly #accepted = new Map<string, (isTaken: boolean) => void>()
  #output: Buffer[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      for (const body of this.#framer.push(chunk)) this.#take(body)
    })
  }

  static async connect(port: number): Promise<KannelBox> {
    const socket = connect({ host: '127.0.0.1', port })
    await once(socket, 'connect')
    const box = new KannelBox(socket)
    box.#send(TYPE.admin, { command: IDENTIFY, boxc_id: 'box' })
    return box
  }

  /** Resolves when the bearerbox has answered: true when the message is in its queue and store. */
  submit({ from, to, text }: KannelMessage): Promise<boolean> {
    const id = randomUUID()
    const taken = new Promise<boolean>((resolve) => this.#accepted.set(id, resolve))
    this.#send(TYPE.sms, {
      id,
      sender: from,
      receiver: to,
      udhdata: '',
      msgdata: text,
      service: 'box',
      account: 'box',
      sms_type: MT_PUSH,
      coding: GSM,
      dlr_mask: EVERY_DLR,
      dlr_url: 'box',
      boxc_id: 'box',
    })
    return taken
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(body: Buffer): void {
    const message = unpacked(body)
    if (message?.type === TYPE.ack) return this.#answered(message.fields)
    if (message?.type !== TYPE.sms) return
    const { id, time, sms_type: kind, dlr_mask: mask, msgdata } = message.fields
    this.#send(TYPE.ack, { nack: 0, time, id })
    if (kind !== REPORT) return
    for (const name of ['delivered', 'failed', 'taken', 'refused'] as const)
      if (mask === DLR[name]) this.reports[name] += 1
    if (mask === DLR.refused) this.refusals.push(String(msgdata))
  }

  #answered({ id, nack }: Fields): void {
    const settle = this.#accepted.get(String(id))
    this.#accepted.delete(String(id))
    // Success, or taken into the queue; anything else is a refusal.
    settle?.(nack === 0 || nack === 3)
  }

  /** Those of one turn of the event loop leave together. */
  #send(type: MessageType, fields: Fields): void {
    if (this.#output.push(packed(type, fields)) > 1) return
    setImmediate(() => {
      const octets = Buffer.concat(this.#output)
      this.#output = []
      if (!this.#socket.destroyed) this.#socket.write(octets)
    })
  }
}
