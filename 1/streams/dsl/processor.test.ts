// oxlint-disable typescript/no-unsafe-argument typescript/no-unsafe-member-access -- on purpose
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { envelope, topic } from '../contracts/topic.ts'
import { defineProcessor } from './processor.ts'
import { defineTopology } from './topology.ts'

const Word = z.object({ ...envelope, word: z.string() })
const words = topic('words', Word, (value) => value.word)
const event = { schemaVersion: '1.0', eventId: '', occurredAt: '', word: '' }
const shape = { name: 'x', reads: { word: words }, emits: { echo: words } }
const state = { store: 's', schema: z.object({ count: z.number() }) }
const question = { lookup: 'colour', key: '', about: {}, answer: '' }
const asks = { word: () => ({ colour: question }) }

describe('the compiler', () => {
  it('accepts a processor that keeps to its declaration', () => {
    const processor = defineProcessor({
      ...shape,
      state,
      asks,
      on: {
        word: (subject, scope, answers) => {
          scope.put({ count: (scope.state?.count ?? 0) + 1 })
          scope.arm('later', scope.now)
          if (answers?.colour.kind === 'found') scope.emit('echo', { ...subject, word: answers.colour.value })
        },
      },
      due: { later: (kept, scope) => scope.note('later', { count: kept.count }) },
    })
    expect(processor.on.has('words')).toBe(true)
  })

  it('refuses each way of breaking it', () => {
    // tsc checks these lines; at run time the literal without a handler shows what the compiler
    // prevents.
    // @ts-expect-error -- `word` is read but has no handler
    expect(defineProcessor({ ...shape, on: {} }).on.size).toBe(0)
    // @ts-expect-error -- `other` is not a declared output
    defineProcessor({ ...shape, on: { word: (_, scope) => scope.emit('other', event) } })
    // @ts-expect-error -- the value is not of the output's type
    defineProcessor({ ...shape, on: { word: (_, scope) => scope.emit('echo', { word: 1 }) } })
    // @ts-expect-error -- no such timer
    defineProcessor({ ...shape, state, on: { word: (_, s) => s.arm('x', 1) }, due: { y: () => {} } })
    // @ts-expect-error -- no such note
    defineProcessor({ ...shape, notes: { seen: {} }, on: { word: (_, s) => s.note('lost', {}) } })
    // @ts-expect-error -- the state has another type
    defineProcessor({ ...shape, state, on: { word: (_, scope) => scope.put({ count: 'one' }) } })
    // @ts-expect-error -- nothing was asked
    defineProcessor({ ...shape, on: { word: (_, s, answers) => s.note(answers.colour.kind, {}) } })
    // @ts-expect-error -- an answer's kind must be looked at before its value
    defineProcessor({ ...shape, asks, on: { word: (_, s, a) => s.note(a?.colour.value ?? '', {}) } })
  })
})

describe('defineTopology', () => {
  const plain = defineProcessor({ ...shape, on: { word: () => {} } })

  it('refuses two processors of one name, two owners of one store, and timers without state', () => {
    expect(() => defineTopology('twice', [plain, plain])).toThrow(/two processors named x/)
    const owner = { ...plain, state: { store: 's', schema: z.unknown() } }
    expect(() => defineTopology('owners', [owner, { ...owner, name: 'y' }])).toThrow(/two owners of store s/)
    const timed = { ...plain, due: new Map([['later', { handle: () => {}, ask: undefined }]]) }
    expect(() => defineTopology('timed', [timed])).toThrow(/timers but no state/)
  })
})
