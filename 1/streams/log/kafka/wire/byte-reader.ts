const UVARINT_SHIFT_MAX = 28

/**
 * An answer in Kafka's primitive types, big-endian, read from front to back. Throws RangeError
 * beyond the end.
 */
export class ByteReader {
  readonly bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.#at = at
  }

  get at(): number {
    return this.#at
  }

  skip(bytes: number): void {
    this.#at += bytes
  }

  int16(): number {
    const value = this.bytes.readInt16BE(this.#at)
    this.#at += 2
    return value
  }

  int32(): number {
    const value = this.bytes.readInt32BE(this.#at)
    this.#at += 4
    return value
  }

  /** Offsets and times, which stay below 2^53 (port.ts says why). */
  int64(): number {
    const value = readInt64(this.bytes, this.#at)
    this.#at += 8
    return value
  }

  bigint64(): bigint {
    const value = this.bytes.readBigInt64BE(this.#at)
    this.#at += 8
    return value
  }

  /** The next bytes, as a view. */
  take(bytes: number): Buffer {
    const end = this.#at + bytes
    if (bytes < 0 || end > this.bytes.length) throw new RangeError('an answer ends too early')
    const taken = this.bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }

  /** As many bytes as the 32-bit count in front says, as a view; none for null. */
  prefixed(): Buffer {
    return this.take(Math.max(this.int32(), 0))
  }

  string(): string {
    return this.#text(Math.max(this.int16(), 0))
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      if (shift > UVARINT_SHIFT_MAX) throw new RangeError('a number takes more than five bytes')
      const byte = this.bytes.readUInt8(this.#at)
      this.#at += 1
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
  }

  /** Null reads as empty. */
  compactString(): string {
    return this.#text(Math.max(this.uvarint() - 1, 0))
  }

  /** As many as the 32-bit count in front says; none for null. */
  array<T>(item: () => T): T[] {
    return this.#items(Math.max(this.int32(), 0), item)
  }

  compactArray<T>(item: () => T): T[] {
    return this.#items(Math.max(this.uvarint() - 1, 0), item)
  }

  /** Fields of later versions, which mean nothing here. */
  skipTags(): void {
    for (let left = this.uvarint(); left > 0; left -= 1) {
      this.uvarint()
      this.skip(this.uvarint())
    }
  }

  /** An item takes a byte at least, so a count beyond what is left is no count. */
  #items<T>(count: number, item: () => T): T[] {
    if (count > this.bytes.length - this.#at) throw new RangeError(`an answer holds no ${count} items`)
    return Array.from({ length: count }, item)
  }

  #text(bytes: number): string {
    return this.take(bytes).toString('utf8')
  }
}

export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
}
