import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/**
 * What keeps the house readable: small rooms, each with a page at its door, and files and lines
 * that fit the eye.
 */
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\n')
  .filter((file) => file.includes('/') && !file.startsWith('.'))

const PRODUCT = /^(api|bridges|sinks|smpp-gateway|streams|topologies)\//
const ENTRIES_MAX = 25
const FILE_LINES_MAX = 300
const README_LINES_MAX = 15
const COMMENT_COLUMNS_MAX = 100

const linesOf = (file: string): readonly string[] =>
  readFileSync(join(root, file), 'utf8').trimEnd().split('\n')

/** Every folder with a file somewhere below it, and what lies in it. */
function folders(): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>()
  for (const file of files) {
    for (let entry = file; entry.includes('/'); entry = dirname(entry)) {
      const folder = dirname(entry)
      found.set(folder, (found.get(folder) ?? new Set()).add(entry))
    }
  }
  return found
}

/** Test support, resources and documents explain themselves by the folder that they lie in. */
const isRoom = (folder: string): boolean =>
  (PRODUCT.test(`${folder}/`) || /^dev(\/|$)/.test(folder)) &&
  !/\/(testing|kafka-tools)$|^dev\/stack\/kafka$|^dev\/proofs\/sim\/checks$/.test(folder)

/** Long names and addresses cannot be broken, and an order to the linter must stay on its line. */
const isTooWide = (line: string): boolean =>
  /^\s*(\/\/|\/?\*)/.test(line) && line.length > COMMENT_COLUMNS_MAX && !/\S{60}|\/\/ oxlint-/.test(line)

describe('the house', () => {
  it('has no room of the product with more entries than one sees at a glance', () => {
    const full = [...folders()].filter(
      ([folder, entries]) => PRODUCT.test(`${folder}/`) && entries.size > ENTRIES_MAX,
    )
    expect(full.map(([folder, entries]) => `${folder}: ${entries.size}`)).toEqual([])
  })

  it('has a short page at the door of every room', () => {
    const faults = [...folders()].flatMap(([folder, entries]) => {
      if (!isRoom(folder)) return []
      const page = `${folder}/README.md`
      if (!entries.has(page)) return [`${folder} has none`]
      return linesOf(page).length > README_LINES_MAX ? [`${page} is too long`] : []
    })
    expect(faults).toEqual([])
  })

  it('has no file longer than one can hold in the head', () => {
    const sources = files.filter((file) => file.endsWith('.ts') && !/\.(test|suite)\.ts$/.test(file))
    expect(sources.filter((file) => linesOf(file).length > FILE_LINES_MAX)).toEqual([])
  })

  it('has comments of 100 columns at most', () => {
    const wide = files
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => linesOf(file).flatMap((line, at) => (isTooWide(line) ? [`${file}:${at + 1}`] : [])))
    expect(wide).toEqual([])
  })
})
