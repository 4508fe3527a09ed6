import { describe, expect, it } from 'vitest'
import { Tempo } from './tempo.ts'

/** Time stands still but for sleeps, which move it on. */
function world() {
  const time = { nowMs: 1_000 }
  const clock = {
    now: () => time.nowMs,
    sleep: async (ms: number, signal?: AbortSignal): Promise<void> => {
      await Promise.resolve()
      if (signal?.aborted !== true) time.nowMs += ms
    },
  }
  const tempo = new Tempo(clock, { commitMs: 100, quietCommitMs: 20 })
  /** A round that takes no time, and the transaction that takes it. */
  const cycle = (tookMs: number): void => {
    tempo.roundBegins('a')
    tempo.handedIn()
    tempo.roundEnds('a')
    tempo.begins()
    time.nowMs += tookMs
    tempo.ends()
  }
  return { time, tempo, cycle }
}

const nobody = (): boolean => false

describe('the next round', () => {
  it('begins at once after a pause, and shortly after a transaction that was quick', () => {
    const { tempo, cycle } = world()
    expect(tempo.pauseMs).toBeLessThanOrEqual(0)
    cycle(2)
    expect(tempo.pauseMs).toBe(18)
  })

  it('comes the later the longer the last transaction took, up to a bound', () => {
    const { tempo, cycle } = world()
    cycle(30)
    expect(tempo.pauseMs).toBe(30)
    cycle(80)
    expect(tempo.pauseMs).toBe(20)
  })

  it('begins at once beside those of other tasks that the same transaction will take', () => {
    const { tempo, cycle } = world()
    cycle(2)
    tempo.roundBegins('a')
    expect(tempo.pauseMs).toBe(0)
    tempo.handedIn()
    tempo.roundEnds('a')
    expect(tempo.pauseMs).toBe(0)
    tempo.begins()
    tempo.ends()
    expect(tempo.pauseMs).toBe(20)
  })

  it('is not early for a round beside it that came to nothing', () => {
    const { tempo, cycle } = world()
    cycle(2)
    tempo.roundBegins('a')
    tempo.roundEnds('a')
    expect(tempo.pauseMs).toBe(20)
  })

  it('is not put off by a clock that was set back', () => {
    const { time, tempo, cycle } = world()
    cycle(2)
    time.nowMs = -3_600_000
    expect(tempo.pauseMs).toBeLessThanOrEqual(0)
  })
})

describe('a task that waits with work', () => {
  it('is told when the round of another begins, and then may begin itself', () => {
    const { tempo, cycle } = world()
    cycle(2)
    const pauses: number[] = []
    tempo.wants('b', () => pauses.push(tempo.pauseMs))
    tempo.roundBegins('a')
    expect(pauses).toEqual([0])
  })

  it('is waited for by the transaction until it has begun and handed in, or has no work', async () => {
    const { tempo } = world()
    tempo.roundBegins('a')
    tempo.wants('b', () => {})
    tempo.wants('c', () => {})
    let isOver = false
    const waiting = tempo.untilCollected((task) => task === 'a').then(() => (isOver = true))
    tempo.wantsNot('c')
    tempo.roundBegins('b')
    await new Promise((resolve) => queueMicrotask(() => resolve(undefined)))
    expect(isOver).toBe(false)
    tempo.roundEnds('b')
    await waiting
  })

  it('takes its turn when it is time', async () => {
    const { time, tempo, cycle } = world()
    cycle(2)
    const startedMs = time.nowMs
    await tempo.turn('b')
    expect(time.nowMs - startedMs).toBe(18)
    expect(tempo.pauseMs).toBe(0)
  })

  it('takes its turn in the company of another, and at once when it has begun', async () => {
    const { time, tempo, cycle } = world()
    cycle(2)
    const startedMs = time.nowMs
    const turn = tempo.turn('b')
    tempo.roundBegins('a')
    await turn
    tempo.begins()
    await tempo.turn('a')
    expect(time.nowMs).toBe(startedMs)
  })
})

describe('a transaction', () => {
  it('waits for rounds under way of tasks that have handed in nothing, but not for long', async () => {
    const { time, tempo } = world()
    tempo.roundBegins('a')
    await tempo.untilCollected(nobody)
    expect(time.nowMs).toBe(1_100)
  })

  it('begins as soon as the last of them ends', async () => {
    const { time, tempo } = world()
    tempo.roundBegins('a')
    const waiting = tempo.untilCollected(nobody)
    tempo.roundEnds('a')
    await waiting
    expect(time.nowMs).toBe(1_000)
  })

  it('does not wait for the next round of a task that has handed in', async () => {
    const { time, tempo } = world()
    tempo.roundBegins('a')
    await tempo.untilCollected((task) => task === 'a')
    expect(time.nowMs).toBe(1_000)
  })
})
