import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Question } from '../contracts/question.ts'
import { envelope, topic } from '../contracts/topic.ts'
import { asMarkdown } from './describe-markdown.ts'
import { asMermaid } from './describe-mermaid.ts'
import { asText, describeTopology } from './describe.ts'
import { defineProcessor } from './processor.ts'
import { defineTopology } from './topology.ts'

const Word = z.object({ ...envelope, word: z.string(), place: z.object({ page: z.string() }) })
const words = topic('words.said', Word, (value) => value.word)
const pages = topic('pages', Word, (value) => `${value.place.page}:${value.word}`)
const mixed = topic('mixed', Word, (value) => (value.word === 'x' ? value.place.page : value.eventId))
const colourOf = (text: string): Question<string> => ({ lookup: 'colour', key: text, about: { text } })

const counting = defineProcessor({
  name: 'counting',
  reads: { word: words },
  emits: { page: pages },
  state: { store: 'counts', schema: z.object({ count: z.number() }) },
  lookups: ['colour'],
  asks: { word: ({ word }) => ({ colour: colourOf(word) }), quiet: () => ({ colour: colourOf('') }) },
  on: { word: (_, scope) => scope.arm('quiet', scope.now) },
  due: { quiet: (_, scope) => scope.forget(), expire: (_, scope) => scope.forget() },
})
const passing = defineProcessor({
  name: 'passing',
  reads: { word: words },
  emits: { mixed },
  on: { word: (value, scope) => scope.emit('mixed', value) },
})
const description = describeTopology(defineTopology('reading', [counting, passing]))

describe('describeTopology', () => {
  it('names inputs and outputs with the fields that make their keys', () => {
    expect(description.inputs).toEqual([{ topic: 'words.said', key: '{word}' }])
    expect(description.outputs).toEqual([
      { topic: 'pages', key: '{place.page}:{word}' },
      { topic: 'mixed', key: '{eventId}, or another by word' },
    ])
  })

  it('names the topics that belong to the topology: changelogs, marks, dead letters', () => {
    expect(description.changelogs).toEqual(['reading-counts-changelog', 'reading-marks-changelog'])
    expect(description.deadLetters).toEqual(['words.said.deadletter'])
  })

  it('names what a processor keeps, its timers, and what it asks before which handlers', () => {
    expect(description.processors).toEqual([
      {
        name: 'counting',
        reads: ['words.said'],
        emits: ['pages'],
        store: { name: 'counts', changelog: 'reading-counts-changelog' },
        timers: ['quiet', 'expire'],
        questions: { lookups: ['colour'], before: ['words.said', 'timer quiet'] },
      },
      {
        name: 'passing',
        reads: ['words.said'],
        emits: ['mixed'],
        store: undefined,
        timers: [],
        questions: { lookups: [], before: [] },
      },
    ])
  })
})

describe('a description', () => {
  it('is written as text, a fact a line', () => {
    const lines = asText(description).split('\n')
    expect(lines).toContain('topology reading')
    expect(lines).toContain('    keeps         counts  in reading-counts-changelog')
    expect(lines).toContain('    asks          colour  before words.said, timer quiet')
    expect(lines).toContain('                  reading-marks-changelog')
  })

  it('is drawn with every topic once and identifiers that Mermaid takes', () => {
    const lines = asMermaid([description, { ...description, name: 'again' }]).split('\n')
    expect(lines[0]).toBe('flowchart LR')
    expect(lines.filter((line) => line === '  topic_words_said[/"words.said"/]')).toHaveLength(1)
    expect(lines).toContain('  topic_words_said --> processor_reading_counting')
    expect(lines).toContain('  processor_reading_counting --> topic_pages')
    expect(lines).toContain('  processor_reading_counting <--> store_reading_counts')
    expect(lines).toContain('  processor_reading_counting -.-> lookup_colour')
    expect(lines).toContain('    processor_reading_counting["counting<br/>timers: quiet, expire"]')
    const ends = lines.flatMap((line) => / (\w+) (?:-->|<-->|-\.->) (\w+)$/.exec(line)?.slice(1) ?? [])
    const declared = new Set(lines.flatMap((line) => /^ +(\w+)[[{]/.exec(line)?.slice(1) ?? []))
    expect(ends.filter((end) => !declared.has(end))).toEqual([])
  })

  it('is a page with the picture, a row for each processor and the command that made it', () => {
    const page = asMarkdown([description], 'make the page')
    expect(page).toContain('Generated from the definitions by `make the page`')
    expect(page).toContain('```mermaid\nflowchart LR\n')
    expect(page).toContain(
      '| counting | `words.said` | `pages` | `counts` | `quiet`, `expire` | `colour` before words.said, timer quiet |',
    )
    expect(page).toContain('- `pages`, key `{place.page}:{word}`')
  })
})
