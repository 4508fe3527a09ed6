import { describe, expect, it } from 'vitest'
import { inSlices, nextTurn } from '../../platform/slices.ts'
import { Breath } from './breath.ts'

/** A clock that only work moves on. */
const workClock = () => {
  let nowMs = 0
  return { now: () => nowMs, work: (ms: number) => (nowMs += ms) }
}

/** As a round does it. */
async function work(breath: Breath, steps: number, step: () => void): Promise<void> {
  for (let n = 0; n < steps; n += 1) {
    step()
    if (breath.isDue) await breath.pause()
  }
}

describe('the rounds of a process', () => {
  it('hold the event loop together no longer than one of them would', async () => {
    const clock = workClock()
    const breath = new Breath(clock)
    const stretches: number[] = []
    const rounds = Promise.all(Array.from({ length: 24 }, () => work(breath, 400, () => clock.work(0.1))))
    while (clock.now() < 24 * 400 * 0.1 - 1) {
      const before = clock.now()
      await nextTurn()
      stretches.push(clock.now() - before)
    }
    await rounds
    // A slice of 10 ms, and of each of the others the steps between two looks at the clock.
    expect(Math.max(...stretches)).toBeLessThan(10 + 24 * 8 * 0.1 + 1)
    expect(clock.now()).toBeCloseTo(24 * 400 * 0.1)
  })

  it('end in the order in which they began', async () => {
    const clock = workClock()
    const breath = new Breath(clock)
    const ended: number[] = []
    await Promise.all(
      [0, 1, 2].map(async (task) => {
        await work(breath, 1_000, () => clock.work(0.1))
        ended.push(task)
      }),
    )
    expect(ended).toEqual([0, 1, 2])
  })

  it('rest while a transaction is put together', async () => {
    const clock = workClock()
    const breath = new Breath(clock)
    const steps: string[] = []
    function* transaction(): Generator<number, void> {
      for (let n = 0; n < 10; n += 1) {
        steps.push('transaction')
        yield 1_000_000
      }
    }
    const round = work(breath, 100, () => {
      steps.push('round')
      clock.work(20)
    })
    await Promise.all([round, inSlices(transaction())])
    const first = steps.indexOf('transaction')
    expect(steps.slice(first, first + 10)).toEqual(Array.from({ length: 10 }, () => 'transaction'))
    expect(steps.filter((step) => step === 'round')).toHaveLength(100)
  })
})
