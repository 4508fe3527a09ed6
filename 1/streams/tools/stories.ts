/** The acceptance rows of docs/stories.md beside the titles of the tests that cite their ids. */
export interface TestFile {
  readonly path: string
  readonly text: string
}

export interface StorySources {
  /** The text of docs/stories.md. */
  readonly page: string
  readonly tests: readonly TestFile[]
}

export interface Citation {
  readonly file: string
  readonly title: string
}

interface Row {
  readonly id: string
  readonly requirement: string
  /** The folder that meets it and the kind of test that proves it, in the letters of the page. */
  readonly where: string
  readonly how: string
}

export interface Story extends Row {
  readonly tests: readonly Citation[]
}

export interface Stories {
  readonly rows: readonly Story[]
  /** What tests cite and the page does not have. */
  readonly unknown: readonly (Citation & { readonly id: string })[]
}

export function storiesOf({ page, tests }: StorySources): Stories {
  const cited = tests.flatMap(citationsOf)
  const rows = rowsOf(page)
  const known = new Set(rows.map(({ id }) => id))
  return {
    rows: rows.map((row) => ({
      ...row,
      tests: cited.filter(({ id }) => id === row.id).map(({ file, title }) => ({ file, title })),
    })),
    unknown: cited.filter(({ id }) => !known.has(id)),
  }
}

/** Each row, the tests that cite it below it, and the sum. */
export const asText = (rows: readonly Story[]): string =>
  [...rows.map(asParagraph), sumOf(rows), ''].join('\n')

export function asJson(rows: readonly Story[]): string {
  return `${JSON.stringify({ ...countsOf(rows), rows })}\n`
}

export const complaintOf = (unknown: Stories['unknown']): string =>
  [
    'Tests cite ids that the page does not have:',
    ...unknown.map((one) => `  ${one.id}  ${asLine(one)}`),
  ].join('\n')

function asParagraph({ id, requirement, tests }: Story): string {
  const below = tests.length === 0 ? ['open'] : tests.map(asLine)
  return [`${id}  ${requirement}`, ...below.map((line) => `  ${line}`)].join('\n')
}

const asLine = ({ file, title }: Citation): string => `${file}: ${title}`

function countsOf(rows: readonly Story[]): { readonly proven: number; readonly open: number } {
  const open = rows.filter(({ tests }) => tests.length === 0).length
  return { proven: rows.length - open, open }
}

function sumOf(rows: readonly Story[]): string {
  const { proven, open } = countsOf(rows)
  return `${proven} proven, ${open} open`
}

/** Takes all of what looks like an id, so that one is never found at the head of a longer one. */
const ID = /(?<![\w-])(?:DLR|ORC|DAT|CON|MIG|PLT)-E?\d\w*(?:\.\w+)*/g

const idsIn = (text: string): readonly string[] => [...new Set(text.match(ID))]

const rowsOf = (page: string): readonly Row[] =>
  page.split('\n').flatMap((line) => {
    const [, id = '', requirement = '', where = '', how = ''] = line.split('|').map((cell) => cell.trim())
    return idsIn(id)[0] === id ? [{ id, requirement, where, how }] : []
  })

const citationsOf = ({ path, text }: TestFile): Stories['unknown'] =>
  titlesOf(text).flatMap((title) => idsIn(title).map((id) => ({ id, file: path, title })))

/**
 * As much of the language as tells a call from what only looks like one in a comment, a text or a
 * regular expression.
 */
const TOKEN = new RegExp(
  [
    /\/\/.*|\/\*[^]*?\*\//,
    /'(?:\\[^]|[^'\\\n])*'|"(?:\\[^]|[^"\\\n])*"/,
    /`(?:\\[^]|[^`\\$]|\$(?!\{)|\$\{(?:[^{}`]|\{[^{}`]*\}|`[^`]*`)*\})*`/,
    /(?<=(?:[(,=:[!&|?{;]|=>|return)\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/[\\\n])+\/\w*/,
    /=>|[\w$]+|\S/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
)

const TEST_CALLS: ReadonlySet<string> = new Set(['it', 'test', 'describe'])

function titlesOf(text: string): readonly string[] {
  const tokens = (text.match(TOKEN) ?? []).filter((token) => !/^\/[/*]/.test(token))
  return tokens.flatMap((token, at) => {
    if (!TEST_CALLS.has(token) || tokens[at - 1] === '.') return []
    return titleAt(tokens, at + 1) ?? []
  })
}

/** A test that is not run proves nothing. */
const NOT_RUN: ReadonlySet<string | undefined> = new Set(['skip', 'todo'])

/** Of a chain such as `.each<Type>(table)(title)` the first call whose first argument is a text. */
function titleAt(tokens: readonly string[], start: number): string | undefined {
  let at = start
  while (tokens[at] === '.') {
    if (NOT_RUN.has(tokens[at + 1])) return undefined
    at += 2
  }
  if (tokens[at] === '<') at = afterGroup(tokens, at, '>')
  while (tokens[at] === '(') {
    const argument = tokens[at + 1] ?? ''
    if (/^['"`]/.test(argument)) return argument.slice(1, -1)
    at = afterGroup(tokens, at, ')')
  }
  return undefined
}

function afterGroup(tokens: readonly string[], start: number, close: string): number {
  const open = tokens[start]
  let depth = 0
  for (let at = start; at < tokens.length; at++) {
    if (tokens[at] === open) depth++
    if (tokens[at] === close) depth--
    if (depth === 0) return at + 1
  }
  return tokens.length
}
