/**
 * Of one batch, unpacked. Writers fill batches up to 1 MB; this is for foreign ones, which may pack
 * a great deal into little.
 */
export const UNPACKED_BYTES_MAX = 64 * 1024 * 1024

export const tooLarge = (): RangeError =>
  new RangeError(`it unpacks to more than ${UNPACKED_BYTES_MAX} bytes`)

const damaged = (): RangeError => new RangeError('it refers to what is not there')

/** What has been unpacked so far, to which packed bytes refer back. Grows up to the limit. */
export class Unpacked {
  #bytes: Buffer
  #end = 0

  constructor(bytesExpected: number) {
    this.#bytes = Buffer.allocUnsafe(Math.min(Math.max(bytesExpected, 64), UNPACKED_BYTES_MAX))
  }

  get end(): number {
    return this.#end
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#end)
  }

  append(source: Buffer, from: number, count: number): void {
    if (from + count > source.length) throw damaged()
    const at = this.#reserve(count)
    source.copy(this.#bytes, at, from, from + count)
  }

  /** Copies from what is here already; a copy may overlap itself and then repeats. */
  repeat(distance: number, count: number): void {
    if (distance === 0 || distance > this.#end) throw damaged()
    const from = this.#end - distance
    const at = this.#reserve(count)
    if (distance >= count) this.#bytes.copyWithin(at, from, from + count)
    else for (let i = 0; i < count; i += 1) this.#bytes[at + i] = this.#bytes[from + i] ?? 0
  }

  #reserve(count: number): number {
    const at = this.#end
    this.#end += count
    if (this.#end > UNPACKED_BYTES_MAX) throw tooLarge()
    if (this.#end > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(
        Math.min(Math.max(this.#end, 2 * this.#bytes.length), UNPACKED_BYTES_MAX),
      )
      this.#bytes.copy(larger, 0, 0, at)
      this.#bytes = larger
    }
    return at
  }
}
