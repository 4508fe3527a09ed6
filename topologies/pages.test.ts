import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { topologiesPage } from './pages.ts'

const docs = (name: string): string => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8')

describe('the generated pages of docs/', () => {
  it('topologies.md is what the definitions say; if not, run the command in its third line', () => {
    expect(docs('topologies.md')).toBe(topologiesPage())
  })
})
