import { describe, expect, it } from 'vitest'
import { LogTime } from './log-time.ts'

const HOUR_MS = 3_600_000
const START_MS = Date.parse('2026-04-18T10:00:00.000Z')

function scene() {
  const at = { wallMs: START_MS, elapsedMs: 0 }
  const doubts: number[] = []
  const time = new LogTime({
    clock: { now: () => at.wallMs, elapsed: () => at.elapsedMs, sleep: () => Promise.resolve() },
    aheadMsMax: 15 * 60_000,
    doubtMsMax: 10 * 60_000,
    onDoubt: (aheadMs) => doubts.push(aheadMs),
  })
  const pass = (ms: number): void => {
    at.wallMs += ms
    at.elapsedMs += ms
  }
  return { at, doubts, time, pass }
}

describe('the time by which timers go', () => {
  it('is that of the clock, also when no record comes for days', () => {
    const { time, at, pass, doubts } = scene()
    expect(time.now()).toBe(START_MS)
    time.saw(START_MS)
    pass(72 * HOUR_MS)
    expect(time.now()).toBe(at.wallMs)
    expect(doubts).toEqual([])
  })

  it('fault R14: is that of the log when the clock jumps ahead, for as long as records say so', () => {
    const { time, at, pass, doubts } = scene()
    time.saw(START_MS)
    at.wallMs += 25 * HOUR_MS
    for (let minutes = 1; minutes <= 120; minutes += 1) {
      pass(60_000)
      time.saw(START_MS + minutes * 60_000)
      expect(time.now()).toBe(START_MS + minutes * 60_000)
    }
    expect(doubts).toEqual([25 * HOUR_MS])
  })

  it('fault R14: is doubted at a start too, and believed when the log stays silent', () => {
    const { time, at, pass } = scene()
    time.heard(START_MS - 25 * HOUR_MS)
    expect(time.now()).toBe(START_MS - 25 * HOUR_MS)
    pass(9 * 60_000)
    expect(time.now()).toBe(START_MS - 25 * HOUR_MS + 9 * 60_000)
    pass(60_000)
    expect(time.now()).toBe(at.wallMs)
  })

  it('is believed at once when a record bears it out', () => {
    const { time, at } = scene()
    time.heard(START_MS - 25 * HOUR_MS)
    time.now()
    time.saw(at.wallMs - 1000)
    expect(time.now()).toBe(at.wallMs)
  })

  it('does not follow a writer whose clock is ahead, nor one that was set back', () => {
    const { time, at } = scene()
    time.saw(START_MS + 25 * HOUR_MS)
    expect(time.now()).toBe(START_MS)
    at.wallMs -= 2 * HOUR_MS
    expect(time.now()).toBe(START_MS - 2 * HOUR_MS)
  })
})
