import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { logEnv, readConfig } from '../streams/platform/config.ts'
import { topicSpecs } from '../streams/runtime/provision.ts'
import { topicsPage } from '../streams/tools/show-topics.ts'
import { DESCRIBED, TOPICS_COMMAND, topologiesPage } from './pages.ts'

const docs = (name: string): string => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8')

describe('the generated pages of docs/', () => {
  it('topologies.md is what the definitions say; if not, run the command in its third line', () => {
    expect(docs('topologies.md')).toBe(topologiesPage())
  })

  it('topics.md is what is provisioned by default; if not, run the command in its third line', () => {
    const { LOG_PARTITIONS, LOG_REPLICAS } = logEnv
    const defaults = readConfig({ LOG_PARTITIONS, LOG_REPLICAS }, {})
    const specs = topicSpecs(DESCRIBED, {
      partitions: defaults.LOG_PARTITIONS,
      replicas: defaults.LOG_REPLICAS,
    })
    expect(docs('topics.md')).toBe(topicsPage(specs, TOPICS_COMMAND))
  })
})
