/** So much at a stretch: a few milliseconds of encoding, which heartbeats and answers wait for. */
const SLICE_BYTES = 512 * 1024
/** What an item costs beside its bytes. */
const ITEM_BYTES = 256

/**
 * Lets the event loop in between the steps of work whose cost is known from its size. Less than a
 * slice is done at once, as if it were not sliced.
 */
export class Slices {
  #left = SLICE_BYTES

  /** To be told of each item; true: `pause` is due. */
  isDueAfter(bytes: number): boolean {
    this.#left -= bytes + ITEM_BYTES
    return this.#left <= 0
  }

  async pause(): Promise<void> {
    this.#left = SLICE_BYTES
    await new Promise<void>((resolve) => void setImmediate(resolve))
  }
}

/** Takes the steps of a generator, each of which says how many bytes it has done. */
export async function inSlices<T>(steps: Generator<number, T>): Promise<T> {
  const slices = new Slices()
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (slices.isDueAfter(step.value)) await slices.pause()
  }
}
