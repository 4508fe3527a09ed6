import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../platform/logger.ts'
import { runCommand } from './commands.ts'
import { NO_DESKS } from './testing/commands.suite.ts'
import { storiesOf, type StorySources } from './stories.ts'

const IDS = [
  'DLR-004.1',
  'DLR-004.10',
  'DLR-E1.1',
  'ORC-1.1',
  'ORC-1.10',
  'DAT-3',
  'CON-1.1',
  'MIG-2.1',
  'PLT-5',
]
const pageOf = (ids: readonly string[]): string =>
  [
    '# Stories',
    'Tests cite `DLR-004.3`.',
    '| Id | Requirement | Where | How |',
    '|---|---|---|---|',
    ...ids.map((id) => `| ${id} | what ${id} asks | top, snk | T I |`),
  ].join('\n')

const sourcesOf = (text: string, path = 'api/x.test.ts'): StorySources => ({
  page: pageOf(IDS),
  tests: [{ path, text }],
})

const citedBy = (text: string): readonly string[] =>
  storiesOf(sourcesOf(text)).rows.flatMap(({ id, tests }) => (tests.length > 0 ? [id] : []))

async function run(stories: StorySources | undefined, ...args: readonly string[]) {
  let said = ''
  let complained = ''
  const code = await runCommand(['stories', ...args], {
    topologies: [],
    topics: [],
    pages: { topologies: () => '', topics: () => '' },
    stories: stories && (() => stories),
    readFile: () => undefined,
    connect: () => {
      throw new Error('nothing to connect to')
    },
    desks: NO_DESKS,
    now: () => 0,
    audit: silentLogger,
    say: (text) => void (said += text),
    complain: (text) => void (complained += text),
    user: 'someone',
  })
  return { code, said, complained }
}

describe('a story', () => {
  it('is a row of the page, with its four cells', () => {
    const { rows } = storiesOf({ page: pageOf(['DAT-3', 'DLR-E1.1']), tests: [] })
    const rest = { where: 'top, snk', how: 'T I', tests: [] }
    expect(rows).toEqual([
      { id: 'DAT-3', requirement: 'what DAT-3 asks', ...rest },
      { id: 'DLR-E1.1', requirement: 'what DLR-E1.1 asks', ...rest },
    ])
  })

  it.each([
    ['it', `it('DAT-3 holds', () => {})`],
    ['test over lines', `test(\n  "DAT-3 holds",\n  () => {})`],
    ['describe with a template', 'describe(`DAT-3 on ${name(`a`, { b })}`, () => {})'],
    ['a variant', `it.concurrent('DAT-3 holds', () => {})`],
    ['each over a list', `it.each(['a)', ")'"] as const)('DAT-3 of %s', (one) => {})`],
    ['each over rows', `test.each([\n  [f('x'), /\\)'/],\n])(\n  'DAT-3 of %s',\n)`],
    ['each with types', `test.each<[string, () => void]>([])('DAT-3 of %s', () => {})`],
    [
      'a call after odd texts',
      `const odd = [/['"\`]/, '\\'', \`\${'x'}\`, 4 / 2] // don't\nit('DAT-3 holds', f)`,
    ],
    ['a call in a call', `describe('all', () => { it('DAT-3 holds', f) })`],
  ])('is cited by %s', (_, text) => {
    expect(citedBy(text)).toEqual(['DAT-3'])
  })

  it.each([
    ['a comment', `// it('DAT-3 holds')\n/* it('DAT-3 holds') */`],
    ['a text that holds a test', `const text = "it('DAT-3 holds')" + \`it('DAT-3')\``],
    ['a body', `it('holds', () => expect('DAT-3').toBe(1))`],
    ['what has the name of a test call', `pattern.test('DAT-3'); wait('DAT-3')`],
    ['a test that is not run', `it.skip('DAT-3', f); it.todo('DAT-3')`],
    ['a row of a table', `it.each([['DAT-3']])('of %s', f)`],
  ])('is not cited by %s', (_, text) => {
    expect(citedBy(text)).toEqual([])
  })

  it('is cited by its whole id only, wherever the id stands in the title', () => {
    const ids = fc.subarray(IDS, { minLength: 1 })
    const separator = fc.constantFrom(' ', ', ', '/', ' and ', '. ')
    fc.assert(
      fc.property(ids, separator, (chosen, between) => {
        expect(citedBy(`it('It holds: ${chosen.join(between)}.', f)`)).toEqual(chosen)
      }),
    )
  })

  it.each(['DLR-00', 'DLR-004', 'DLR-004.100', 'DLR-004.1.1', 'ORC-1', 'DAT-3a'])(
    'is not cited by %s, which is unknown',
    (id) => {
      const { rows, unknown } = storiesOf(sourcesOf(`it('${id} holds', f)`))
      expect(rows.filter(({ tests }) => tests.length > 0)).toEqual([])
      expect(unknown).toEqual([{ id, file: 'api/x.test.ts', title: `${id} holds` }])
    },
  )

  it.each(['UTF-16', 'OP-MSG-404', 'X-DAT-3', 'MY_DAT-3', 'CON-text'])('has no id like %s', (text) => {
    expect(storiesOf(sourcesOf(`it('${text}', f)`))).toMatchObject({ unknown: [] })
    expect(citedBy(`it('${text}', f)`)).toEqual([])
  })
})

describe('the command stories', () => {
  const sources = {
    page: pageOf(['DAT-3', 'PLT-5']),
    tests: [
      { path: 'api/a.test.ts', text: `it('DAT-3 DAT-3 holds', f)` },
      { path: 'dev/b.suite.ts', text: `it('keeps DAT-3', f)` },
    ],
  }

  it('prints each row with the tests that cite it, and the sum', async () => {
    const { code, said, complained } = await run(sources)
    expect([code, complained]).toEqual([0, ''])
    expect(said.split('\n')).toEqual([
      'DAT-3  what DAT-3 asks',
      '  api/a.test.ts: DAT-3 DAT-3 holds',
      '  dev/b.suite.ts: keeps DAT-3',
      'PLT-5  what PLT-5 asks',
      '  open',
      '1 proven, 1 open',
      '',
    ])
  })

  it('gives the same as one JSON object', async () => {
    const { code, said } = await run(sources, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(said)).toEqual({ proven: 1, open: 1, rows: storiesOf(sources).rows })
  })

  it('fails for an id that the page does not have, and names who cites it', async () => {
    const { code, said, complained } = await run(sourcesOf(`it('DLR-00 DAT-3 holds', f)`))
    expect(code).toBe(1)
    expect(said).toContain('1 proven, 8 open')
    expect(complained).toContain('  DLR-00  api/x.test.ts: DLR-00 DAT-3 holds\n')
  })

  it('says so in one sentence where there is no page', async () => {
    const { code, said, complained } = await run(undefined)
    expect([code, said]).toEqual([1, ''])
    expect(complained).toMatch(/^There is no docs\/stories\.md here.*\.\n$/)
  })

  it('takes no operand', async () => {
    expect(await run(sources, 'DAT-3')).toMatchObject({ code: 2, said: '' })
  })
})

describe('docs/stories.md', () => {
  const page = readFileSync(new URL('../../docs/stories.md', import.meta.url), 'utf8')

  it('has each id once and no row wider than a screen', () => {
    const ids = storiesOf({ page, tests: [] }).rows.map(({ id }) => id)
    expect(ids.length).toBeGreaterThan(100)
    expect([...new Set(ids)]).toEqual(ids)
    expect(page.split('\n').filter((line) => line.length > 160)).toEqual([])
  })
})
