/** Room in front of a request for the header that frames.ts writes there, client id included. */
export const HEADROOM_BYTES = 256

/**
 * A request body in Kafka's primitive types, big-endian. Sized by the caller where that matters,
 * else it grows.
 */
export class ByteWriter {
  #bytes: Buffer
  #end = HEADROOM_BYTES

  constructor(bytesExpected = 256) {
    this.#bytes = Buffer.allocUnsafe(HEADROOM_BYTES + bytesExpected)
  }

  /** The memory itself, for encoders that write into it directly after `reserve`. */
  get buf(): Buffer {
    return this.#bytes
  }

  get buffer(): Buffer {
    return this.#bytes.subarray(HEADROOM_BYTES, this.#end)
  }

  get end(): number {
    return this.#end
  }

  /** Makes room and returns where it begins; `advance` says afterwards where writing has ended. */
  reserve(bytes: number): number {
    const needed = this.#end + bytes
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length))
      this.#bytes.copy(larger, 0, 0, this.#end)
      this.#bytes = larger
    }
    return this.#end
  }

  advance(end: number): void {
    this.#end = end
  }

  int8(value: number): this {
    const at = this.reserve(1)
    this.#end = this.#bytes.writeInt8(value, at)
    return this
  }

  int16(value: number): this {
    const at = this.reserve(2)
    this.#end = this.#bytes.writeInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.reserve(4)
    this.#end = this.#bytes.writeInt32BE(value, at)
    return this
  }

  int64(value: number | bigint): this {
    const at = this.reserve(8)
    this.#end = this.#bytes.writeBigInt64BE(BigInt(value), at)
    return this
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1)
    const bytes = Buffer.byteLength(value)
    this.int16(bytes)
    return this.#text(value, bytes)
  }

  /** Behind their count of 32 bits. */
  bytes(value: Buffer): this {
    return this.int32(value.length).raw(value)
  }

  /** As they are. */
  raw(value: Buffer): this {
    const at = this.reserve(value.length)
    value.copy(this.#bytes, at)
    this.#end = at + value.length
    return this
  }

  /**
   * An unsigned base-128 number. Compact types are one longer than they say, so that zero means
   * null.
   */
  uvarint(value: number): this {
    let rest = value
    for (; rest >= 0x80; rest >>>= 7) this.#byte((rest & 0x7f) | 0x80)
    return this.#byte(rest)
  }

  compactString(value: string | null): this {
    if (value === null) return this.uvarint(0)
    const bytes = Buffer.byteLength(value)
    this.uvarint(bytes + 1)
    return this.#text(value, bytes)
  }

  /** No tagged fields: the end of every structure in a flexible version. */
  noTags(): this {
    return this.uvarint(0)
  }

  /** Writes the length over a field that was reserved with `int32(0)` at `at`. */
  patchInt32(at: number, value: number): void {
    this.#bytes.writeInt32BE(value, at)
  }

  #byte(value: number): this {
    const at = this.reserve(1)
    this.#end = this.#bytes.writeUInt8(value, at)
    return this
  }

  #text(value: string, bytes: number): this {
    const at = this.reserve(bytes)
    this.#bytes.write(value, at, bytes, 'utf8')
    this.#end = at + bytes
    return this
  }
}
