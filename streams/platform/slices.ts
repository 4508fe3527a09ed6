/** So much at a stretch: a few milliseconds of encoding, which heartbeats and answers wait for. */
const SLICE_BYTES = 512 * 1024
/** What an item costs beside its bytes. */
const ITEM_BYTES = 256

let underWay = 0

/** Sliced work is on the way of everybody's transaction: what nobody waits for rests meanwhile. */
export const isSlicing = (): boolean => underWay > 0

export const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/**
 * Takes the steps of a generator, each of which says how many bytes it has done, and lets the event
 * loop in between. Less than a slice is done at once, as if it were not sliced.
 */
export async function inSlices<T>(steps: Generator<number, T>): Promise<T> {
  let left = SLICE_BYTES
  underWay += 1
  try {
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
      left -= step.value + ITEM_BYTES
      if (left > 0) continue
      left = SLICE_BYTES
      await nextTurn()
    }
  } finally {
    underWay -= 1
  }
}
