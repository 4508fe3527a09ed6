import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Question } from '../contracts/question.ts'
import { envelope, topic } from '../contracts/topic.ts'
import { defineProcessor } from '../dsl/processor.ts'
import { defineTopology } from '../dsl/topology.ts'
import { Driver } from './driver.ts'

const Word = z.object({ ...envelope, word: z.string() })
const Tally = z.object({ ...envelope, word: z.string(), count: z.number() })
const words = topic('words', Word, (value) => value.word)
const tallies = topic('tallies', Tally, (value) => value.word)

const State = z.object({ count: z.number() })
const event = {
  schemaVersion: '1.0',
  eventId: '71e6b2de-c54b-5149-bc4d-1925e4067659',
  occurredAt: '2026-04-18T10:23:40.000Z',
}
const word = (text: string) => ({ ...event, word: text })

const counting = defineProcessor({
  name: 'counting',
  reads: { word: words },
  emits: { tally: tallies },
  state: { store: 'counts', schema: State },
  on: {
    word: (subject, scope) => {
      const count = (scope.state?.count ?? 0) + 1
      scope.put({ count })
      scope.arm('quiet', scope.now + 1000)
      scope.note('counted', { count })
      if (subject.word === 'bye') scope.forget()
    },
  },
  due: {
    quiet: (state, scope) => {
      scope.emit('tally', { ...event, word: scope.key, count: state.count })
      scope.forget()
    },
  },
})

const driver = () => new Driver([defineTopology('counting', [counting])], { now: 0 })

describe('the test driver', () => {
  it('fires a timer once, at the instant it was last moved to, on a silent topic', () => {
    const given = driver()
    given.pipe(words, word('a'))
    given.advance(900)
    given.pipe(words, word('a'))
    given.advance(999)
    expect(given.read(tallies)).toEqual([])
    given.advance(1)
    expect(given.read(tallies)).toEqual([{ ...event, word: 'a', count: 2 }])
    given.advance(10_000)
    expect(given.read(tallies)).toEqual([])
    expect(given.rowCount).toBe(0)
  })

  it('drops the timers of a key with its state', () => {
    const given = driver()
    given.pipe(words, word('bye'))
    given.advance(10_000)
    expect(given.read(tallies)).toEqual([])
  })

  it('marks a re-read record and what its timers emit later as replayed, a new one not', () => {
    const given = driver()
    const offset = given.pipe(words, word('a'))
    given.advance(2000)
    expect(given.readOutputs(tallies).map((output) => output.replayed)).toEqual([false])
    given.pipe(words, word('a'), { offset })
    given.advance(2000)
    expect(given.readOutputs(tallies).map((output) => output.replayed)).toEqual([true])
    given.pipe(words, word('a'))
    given.advance(2000)
    expect(given.readOutputs(tallies).map((output) => output.replayed)).toEqual([false])
  })

  it('reports notes with the time of their cause', () => {
    const given = driver()
    given.pipe(words, word('a'), { at: 77 })
    expect(given.notes).toEqual([{ event: 'counted', fields: { count: 1 }, at: 77, replayed: false }])
  })
})

const colourOf = (text: string): Question<string> => ({ lookup: 'colour', key: text, about: { text } })

const asking = defineProcessor({
  name: 'asking',
  reads: { word: words },
  emits: { tally: tallies },
  lookups: ['colour'],
  asks: { word: (subject) => (subject.word === 'dull' ? null : { colour: colourOf(subject.word) }) },
  on: {
    word: (subject, scope, answers) => {
      if (answers?.colour.kind !== 'found') return
      scope.emit('tally', {
        ...event,
        word: `${answers.colour.value} ${subject.word}`,
        count: answers.colour.at,
      })
    },
  },
})

describe('questions', () => {
  it('of a lookup that the processor does not name are a programmer error', () => {
    const silent = { ...asking, lookups: [] }
    const given = new Driver([defineTopology('asking', [silent])], {
      now: 5,
      answer: (_, now) => ({ kind: 'absent', at: now }),
    })
    expect(() => given.pipe(words, word('a'))).toThrow(/asks colour without naming it/)
  })

  it('are answered before the handler runs, and only when asked', () => {
    const given = new Driver([defineTopology('asking', [asking])], {
      now: 5,
      answer: (question, now) => ({ kind: 'found', value: `red-${question.key}`, at: now }),
    })
    given.pipe(words, word('rose'))
    given.pipe(words, word('dull'))
    expect(given.read(tallies)).toEqual([{ ...event, word: 'red-rose rose', count: 5 }])
  })
})
