import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LineWatch } from './line-watch.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function watched(): { line: LineWatch; told: string[] } {
  const told: string[] = []
  const timings = { enquireLinkMs: 30_000, enquireLinkTimeoutMs: 10_000 }
  const line = new LineWatch(timings, { ask: () => told.push('ask'), dead: () => told.push('dead') })
  line.start()
  return { line, told }
}

describe('[B10] the line to an operator', () => {
  it('is asked after 30 s of silence and dead after 10 s more, and not before', () => {
    const { told } = watched()
    vi.advanceTimersByTime(29_999)
    expect(told).toEqual([])
    vi.advanceTimersByTime(1)
    expect(told).toEqual(['ask'])
    vi.advanceTimersByTime(9_999)
    expect(told).toEqual(['ask'])
    vi.advanceTimersByTime(1)
    expect(told).toEqual(['ask', 'dead'])
  })

  it('fault G3: is alive while any PDU comes, whether the question is answered or not', () => {
    const { line, told } = watched()
    vi.advanceTimersByTime(30_000)
    for (let pdu = 0; pdu < 1_000; pdu += 1) {
      vi.advanceTimersByTime(9_999)
      line.heard()
    }
    expect(told).toEqual(['ask'])
    vi.advanceTimersByTime(30_000)
    expect(told).toEqual(['ask', 'ask'])
  })

  it('says nothing any more when it was stopped', () => {
    const { line, told } = watched()
    line.stop()
    line.heard()
    vi.advanceTimersByTime(100_000)
    expect(told).toEqual([])
  })
})
