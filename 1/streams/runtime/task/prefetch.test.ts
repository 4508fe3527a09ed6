import { describe, expect, it } from 'vitest'
import type { Answer, Question } from '../../contracts/question.ts'
import { sleep } from '../../platform/backoff.ts'
import { systemClock } from '../clock.ts'
import { Prefetcher } from './prefetch.ts'

const question = (key: string): Question<string> => ({ lookup: 'shade', key, about: {} })
const found = (value: string): Answer<string> => ({ kind: 'found', value, at: 1 })
const batch = (from: number) => Array.from({ length: 10 }, (_, n) => ({ a: question(String(from + n)) }))
const unreliable = (given: Question<unknown>): Promise<Answer<string>> =>
  given.key === 'slow' ? sleep(10_000).then(() => found('late')) : Promise.reject(new Error('down'))
const options = { clock: systemClock, inFlightMax: 2, deadlineMs: 50 }

describe('the prefetcher', () => {
  it('asks equal questions once and answers in the order of asking, null where nothing was asked', async () => {
    const asked: string[] = []
    const shade = (given: Question<unknown>) => {
      asked.push(given.key)
      return Promise.resolve(found(`${given.key}!`))
    }
    const prefetcher = new Prefetcher({ ...options, lookups: { shade } })
    const answers = await prefetcher.answer([
      { a: question('x') },
      null,
      { b: question('x'), c: question('y') },
    ])
    expect(asked).toEqual(['x', 'y'])
    expect(answers).toEqual([{ a: found('x!') }, null, { b: found('x!'), c: found('y!') }])
  })

  it('ORC-7.1 never has more in flight than allowed, over all batches', async () => {
    let inFlight = 0
    let most = 0
    const shade = async () => {
      inFlight += 1
      most = Math.max(most, inFlight)
      await sleep(1)
      inFlight -= 1
      return found('red')
    }
    const prefetcher = new Prefetcher({ ...options, lookups: { shade }, deadlineMs: 5000 })
    await Promise.all([prefetcher.answer(batch(0)), prefetcher.answer(batch(10))])
    expect(most).toBe(2)
  })

  it('turns a failure and a missed deadline into the value unavailable', async () => {
    const prefetcher = new Prefetcher({ ...options, lookups: { shade: unreliable } })
    const answers = await prefetcher.answer([{ a: question('slow') }, { a: question('broken') }])
    expect(answers.map((answer) => answer?.['a'])).toMatchObject([
      { kind: 'unavailable', reason: 'DEADLINE_EXCEEDED' },
      { kind: 'unavailable', reason: 'INTERNAL' },
    ])
  })
})
