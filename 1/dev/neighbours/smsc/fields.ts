/**
 * Mandatory fields and TLVs of a PDU body (SMPP 3.4 sections 3.1, 3.2.4, 5.3). A fault stays:
 * reading goes on with empty values, and the caller looks at `isSound` once, at the end.
 */
export type Tlvs = ReadonlyMap<number, Buffer>

/** Tags that the simulator reads or writes (SMPP 3.4 section 5.3.2). */
export const TAG = {
  receipted_message_id: 0x001e,
  sar_msg_ref_num: 0x020c,
  sc_interface_version: 0x0210,
  network_error_code: 0x0423,
  message_payload: 0x0424,
  message_state: 0x0427,
} as const

const EMPTY = Buffer.alloc(0)

export class FieldReader {
  readonly #octets: Buffer
  #at = 0
  #sound = true

  constructor(octets: Buffer) {
    this.#octets = octets
  }

  get isSound(): boolean {
    return this.#sound
  }

  octet(): number {
    const value = this.#octets[this.#at]
    if (value === undefined) return this.#fail(0)
    this.#at += 1
    return value
  }

  /** C-octet string of at most `bytesMax` octets, the closing NUL included (as SMPP 3.4 counts). */
  cString(bytesMax: number): string {
    const end = this.#octets.indexOf(0, this.#at)
    if (end < 0 || end - this.#at >= bytesMax) return this.#fail('')
    const text = this.#octets.toString('latin1', this.#at, end)
    this.#at = end + 1
    return text
  }

  octets(length: number): Buffer {
    if (this.#at + length > this.#octets.length) return this.#fail(EMPTY)
    this.#at += length
    return this.#octets.subarray(this.#at - length, this.#at)
  }

  /** All that is left, as TLVs; the last of a repeated tag wins. */
  tlvs(): Tlvs {
    const found = new Map<number, Buffer>()
    while (this.#sound && this.#at < this.#octets.length) {
      const head = this.octets(4)
      if (head.length === 4) found.set(head.readUInt16BE(0), this.octets(head.readUInt16BE(2)))
    }
    return found
  }

  #fail<T>(instead: T): T {
    this.#sound = false
    this.#at = this.#octets.length
    return instead
  }
}

export const cString = (text: string): Buffer => Buffer.from(`${text}\0`, 'latin1')

export function encodeTlv(tag: number, value: Buffer): Buffer {
  const octets = Buffer.allocUnsafe(4 + value.length)
  octets.writeUInt16BE(tag, 0)
  octets.writeUInt16BE(value.length, 2)
  value.copy(octets, 4)
  return octets
}
