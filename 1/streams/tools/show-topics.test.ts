import { describe, expect, it } from 'vitest'
import type { TopicSpec } from '../log/port.ts'
import { asTable, topicsPage } from './show-topics.ts'

const DAY_MS = 86_400_000
const specs: readonly TopicSpec[] = [
  {
    name: 'words',
    partitions: 12,
    replicas: 3,
    config: { 'cleanup.policy': 'delete', 'retention.ms': String(7 * DAY_MS) },
  },
  {
    name: 'counting-counts-changelog',
    partitions: 12,
    replicas: 3,
    config: { 'cleanup.policy': 'compact', 'delete.retention.ms': String(DAY_MS) },
  },
  {
    name: 'short',
    partitions: 1,
    replicas: 1,
    config: { 'cleanup.policy': 'compact,delete', 'retention.ms': String(1.5 * DAY_MS) },
  },
]

describe('topics', () => {
  it('are a table whose columns stand below each other', () => {
    expect(asTable(specs).split('\n')).toEqual([
      'topic                      partitions  copies  cleanup         retention  other settings',
      'words                      12          3       delete          7 d',
      'counting-counts-changelog  12          3       compact         for good   delete.retention.ms=86400000',
      'short                      1           1       compact,delete  36 h',
      '',
    ])
  })

  it('are a page with a row for each and the command that made it', () => {
    const page = topicsPage(specs, 'make the page')
    expect(page).toContain('by `make the page`')
    expect(page).toContain('\n| words | 12 | 3 | delete | 7 d |  |\n')
    expect(page.split('\n').filter((line) => line.startsWith('| '))).toHaveLength(specs.length + 1)
  })
})
