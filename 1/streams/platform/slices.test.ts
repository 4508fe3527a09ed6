import { describe, expect, it } from 'vitest'
import { inSlices } from './slices.ts'
import { turnsDuring } from './testing/turns.suite.ts'

function* steps(count: number, bytes: number): Generator<number, number> {
  for (let n = 0; n < count; n += 1) yield bytes
  return count
}

describe('work in slices', () => {
  it('lets the event loop in as often as its size asks for, and does all of it', async () => {
    const { result, turns } = await turnsDuring(() => inSlices(steps(1_000, 10_000)))
    expect(result).toBe(1_000)
    expect(turns).toBeGreaterThanOrEqual(15)
  })

  it('counts many small items too', async () => {
    const { turns } = await turnsDuring(() => inSlices(steps(10_000, 0)))
    expect(turns).toBeGreaterThanOrEqual(4)
  })

  it('is done at once when it is small', async () => {
    const { turns } = await turnsDuring(() => inSlices(steps(100, 1_000)))
    expect(turns).toBe(0)
  })
})
