import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Which environment variables a process reads, taken from its source: the shape that it hands to
 * `readConfig`, in the entry file or in the `config.ts` beside it, with the shapes that are spread
 * into it. The text is read because importing a `main.ts` starts the process. Throws when the
 * source is not written in that form, so a new form cannot pass unseen.
 */
export interface Variable {
  /** Neither optional nor with a default. */
  readonly required: boolean
}

/** `entry` is relative to `root`. */
export function variablesOf(root: string, entry: string): ReadonlyMap<string, Variable> {
  const candidates = [entry, join(dirname(entry), 'config.ts')].filter((file) => existsSync(join(root, file)))
  const sources = candidates.map((file) => readFileSync(join(root, file), 'utf8'))
  const own = sources.find((source) => source.includes('readConfig(') && !READS_NOTHING.test(source))
  if (own === undefined) throw new Error(`${entry} hands no shape to readConfig`)
  const argument = /\breadConfig\(\s*(\{|\w+)/.exec(own)
  if (argument?.[1] === undefined) throw new Error(`${entry} hands no shape to readConfig`)
  const shared = SHARED_SHAPES.map((file) => readFileSync(join(root, file), 'utf8'))
  const shapes = [own, ...sources, ...shared]
  const start = argument.index + argument[0].length
  return argument[1] === '{' ? fieldsOf(bodyAt(own, start), shapes) : shapeNamed(argument[1], shapes)
}

/** Where the shapes stand that several processes spread into theirs. */
const SHARED_SHAPES = [
  'streams/platform/config.ts',
  'streams/contracts/correlation-hours.ts',
  'bridges/config.ts',
  'bridges/routing/lookup.ts',
]
const READS_NOTHING = /\bfunction readConfig\b/

function shapeNamed(name: string, sources: readonly string[]): ReadonlyMap<string, Variable> {
  const pattern = new RegExp(`\\bconst ${name} = \\{`)
  for (const source of sources) {
    const found = pattern.exec(source)
    if (found !== null) return fieldsOf(bodyAt(source, found.index + found[0].length), sources)
  }
  throw new Error(`the shape ${name} is in none of the files looked at`)
}

function fieldsOf(body: string, sources: readonly string[]): ReadonlyMap<string, Variable> {
  const fields = new Map<string, Variable>()
  for (const part of topLevelParts(body)) {
    const spread = /^\.\.\.(\w+)$/.exec(part)?.[1]
    const [, name, type] = /^([A-Z][A-Z0-9_]*):([\s\S]*)$/.exec(part) ?? []
    if (spread !== undefined) for (const [key, value] of shapeNamed(spread, sources)) fields.set(key, value)
    else if (name !== undefined && type !== undefined) fields.set(name, { required: isRequired(type) })
    else throw new Error(`cannot read this part of a shape: ${part}`)
  }
  return fields
}

/** Only what is called on the variable's own type counts, not what stands within its brackets. */
const isRequired = (type: string): boolean => !/\.(default|optional)$/m.test(outsideBrackets(type))

const OPENING = '([{'
const CLOSING = ')]}'

/** The text with every bracketed part replaced by a line break. */
function outsideBrackets(text: string): string {
  let depth = 0
  let kept = ''
  for (const letter of text) {
    if (OPENING.includes(letter)) depth++
    if (depth === 0) kept += letter
    if (CLOSING.includes(letter) && --depth === 0) kept += '\n'
  }
  return kept
}

/** From just after an opening brace to its closing one, without comments. */
function bodyAt(source: string, start: number): string {
  const text = source.slice(start).replace(/\/\*[\s\S]*?\*\/|(?<=\s)\/\/.*$/gm, '')
  let depth = 1
  for (let index = 0; index < text.length; index++) {
    const letter = text.charAt(index)
    if (OPENING.includes(letter)) depth++
    if (CLOSING.includes(letter) && --depth === 0) return text.slice(0, index)
  }
  throw new Error('a shape is not closed')
}

function topLevelParts(body: string): readonly string[] {
  const parts = ['']
  let depth = 0
  for (const letter of body) {
    if (OPENING.includes(letter)) depth++
    if (CLOSING.includes(letter)) depth--
    if (letter === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += letter
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}
