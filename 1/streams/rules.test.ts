import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/**
 * The rulebook of docs/rules and those who cite it. A rule is defined once, as `**[D18]**`. Code,
 * tests and pages cite it as `[D18]` and in no other spelling. So a search finds every place that
 * keeps a rule.
 */
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\n')

const textOf = (file: string): string => readFileSync(join(root, file), 'utf8')

const DEFINITION = /\*\*\[([A-Z]{1,3}\d{1,3}[a-z]?)\]\*\*/g
const CITATION = /\[([A-Z]{1,3}\d{1,3}[a-z]?)\]/g
const NOT_YET = /\(not yet, part (\w+)/g

const all = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map((match) => match[1] ?? '')

const pages = tracked.filter((file) => /^docs\/rules\/\w+\.md$/.test(file))
const definitions = pages.flatMap((file) => all(textOf(file), DEFINITION))
const rules = new Set(definitions)

const README = 'docs/rules/README.md'
/**
 * An applied migration must not change by a letter, so its comments keep the spelling of their day.
 */
const MIGRATION = /^sinks\/sql\/\d+_\w+\.sql$/
const code = tracked.filter((file) => /\.(ts|sql)$/.test(file) && !MIGRATION.test(file))
const prose = tracked.filter((file) => file.endsWith('.md') && file !== README)

/** Comments, and strings such as the titles of tests: where code speaks of rules. */
const SPOKEN = /\/\*[\s\S]*?\*\/|(?<![:'"\w])\/\/[^\n]*|'[^'\n]*'/g
const spokenIn = (file: string): readonly string[] => textOf(file).match(SPOKEN) ?? []

/**
 * A code of the rulebook without its brackets. `S3` is also a store, and faults found once have ids
 * of their own.
 */
const bare = new RegExp(
  `(?<!faults? [\\w, ]*)(?<![\\w[+.'-])(${[...rules].filter((rule) => /^[TODSRPFH]\d+[a-e]?$/.test(rule) && rule !== 'S3').join('|')})(?![\\w\\]'-])`,
  'g',
)

describe('the rulebook', () => {
  it('defines every rule once', () => {
    expect(definitions.length).toBeGreaterThan(400)
    expect(definitions.filter((rule, index) => definitions.indexOf(rule) !== index)).toEqual([])
  })

  it('has every rule that code, tests and pages cite', () => {
    const cited = [
      ...code.map((file) => [file, spokenIn(file).join('\n')] as const),
      ...prose.map((file) => [file, textOf(file)] as const),
    ]
    const missing = cited.flatMap(([file, text]) =>
      all(text, CITATION)
        .filter((rule) => !rules.has(rule))
        .map((rule) => `${file} cites [${rule}]`),
    )
    expect(missing).toEqual([])
  })

  it('is cited in one spelling', () => {
    const faults = code.flatMap((file) =>
      spokenIn(file).flatMap((said) => {
        const found = [...all(said, bare), ...(said.match(/\bspec[ /](\w+\.md|section|[A-Z]\d)/gi) ?? [])]
        return found.map((citation) => `${file}: ${citation}`)
      }),
    )
    expect(faults).toEqual([])
  })

  it('marks what is not done yet with a part that is still open', () => {
    const open = new Set(all(textOf(README), /^- part (\w+):/gm))
    const marks = pages.flatMap((file) => all(textOf(file), NOT_YET))
    expect(marks.length).toBeGreaterThan(0)
    expect(marks.filter((part) => !open.has(part))).toEqual([])
  })
})
