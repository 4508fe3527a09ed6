import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { envelope, topic } from '../contracts/topic.ts'
import { describeTopology } from '../dsl/describe.ts'
import { defineProcessor } from '../dsl/processor.ts'
import { defineTopology } from '../dsl/topology.ts'
import { memoryLog } from '../log/memory.ts'
import { silentLogger } from '../platform/logger.ts'
import { commandsSuite } from './testing/commands.suite.ts'
import { runCommand } from './commands.ts'

const log = memoryLog()
let names = 0
commandsSuite('the log in memory', {
  connect: () => log.connect(),
  unique: (name) => `${name}-${(names += 1)}`,
})

const words = topic('words', z.object(envelope), (value) => value.eventId)
const topologyNamed = (name: string) =>
  describeTopology(
    defineTopology(name, [defineProcessor({ name, reads: { words }, emits: {}, on: { words: () => {} } })]),
  )

async function run(...args: readonly string[]): Promise<readonly [number, string, string]> {
  let said = ''
  let complained = ''
  const code = await runCommand(args, {
    topologies: [topologyNamed('one'), topologyNamed('two')],
    topics: [{ name: 'words', partitions: 4, replicas: 1, config: { 'cleanup.policy': 'compact' } }],
    pages: { topologies: () => 'the page', topics: () => 'the topics' },
    connect: () => {
      throw new Error('nothing to connect to')
    },
    now: () => 0,
    audit: silentLogger,
    say: (text) => void (said += text),
    complain: (text) => void (complained += text),
    user: 'someone',
  })
  return [code, said, complained]
}

describe('the commands', () => {
  it('describe all topologies or one, without a log', async () => {
    const [code, all] = await run('topology', 'describe')
    expect([code, all.match(/^topology \w+$/gm)]).toEqual([0, ['topology one', 'topology two']])
    const [, one] = await run('topology', 'describe', 'two')
    expect(one.match(/^topology \w+$/gm)).toEqual(['topology two'])
    expect((await run('topology', 'describe', '--mermaid'))[1]).toMatch(/^flowchart LR\n/)
    expect((await run('topology', 'describe', '--markdown'))[1]).toBe('the page')
  })

  it('list the topics, without a log', async () => {
    const [code, table] = await run('topics')
    expect([code, table.split('\n')[1]]).toEqual([0, 'words  4           1       compact  for good'])
    expect((await run('topics', '--markdown'))[1]).toBe('the topics')
  })

  it.each([
    ['no command', []],
    ['a command with a word too many', ['topics', 'list']],
    ['an unknown one', ['topology', 'undescribe']],
    ['an unknown option', ['topology', 'describe', '--loud']],
    ['an unknown topology', ['topology', 'describe', 'three']],
    ['too many operands', ['topology', 'describe', 'one', 'two']],
    ['a limit that is no number', ['deadletters', 'list', '--limit', 'all']],
  ])('explain themselves when given %s', async (_, args) => {
    const [code, said, complained] = await run(...args)
    expect([code, said]).toEqual([2, ''])
    expect(complained).toContain('Usage: ')
  })
})
