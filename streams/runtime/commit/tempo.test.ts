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
  const transaction = (tookMs: number): void => {
    tempo.begins()
    time.nowMs += tookMs
    tempo.ends()
  }
  return { time, tempo, transaction }
}

describe('the next transaction', () => {
  it('begins at once after a pause, and shortly after one that was quick', async () => {
    const { time, tempo, transaction } = world()
    await tempo.untilTime()
    expect(time.nowMs).toBe(1_000)
    transaction(2)
    await tempo.untilTime()
    expect(time.nowMs).toBe(1_020)
  })

  it('comes the later the longer the last one took, up to a bound', async () => {
    const { time, tempo, transaction } = world()
    transaction(12)
    await tempo.untilTime()
    expect(time.nowMs).toBe(1_036)
    transaction(80)
    await tempo.untilTime()
    expect(time.nowMs).toBe(1_136)
  })

  it('waits for rounds that are under way, but not for long', async () => {
    const { time, tempo, transaction } = world()
    transaction(2)
    tempo.roundBegins()
    await tempo.untilTime()
    expect(time.nowMs).toBe(1_100)
  })

  it('does not wait for a round that waits for a transaction', async () => {
    const { time, tempo, transaction } = world()
    transaction(2)
    tempo.roundBegins()
    const never = tempo.without(new Promise(() => {}))
    await tempo.untilTime()
    expect(time.nowMs).toBe(1_020)
    expect(never).toBeInstanceOf(Promise)
  })

  it('is not put off by a clock that was set back', async () => {
    const { time, tempo, transaction } = world()
    transaction(2)
    time.nowMs = -3_600_000
    await tempo.untilTime()
    expect(time.nowMs).toBe(-3_600_000)
  })
})
