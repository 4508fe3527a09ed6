import { expect, it } from 'vitest'
import { seldom } from './seldom.ts'

it('lets the first act through, and then one in each interval', () => {
  let nowMs = 5
  let acts = 0
  const once = seldom(60_000, () => nowMs)
  const tryAt = (ms: number): number => {
    nowMs = ms
    once(() => (acts += 1))
    return acts
  }
  expect([5, 6, 60_004, 60_005, 60_006, 120_005].map(tryAt)).toEqual([1, 1, 1, 2, 2, 3])
})
