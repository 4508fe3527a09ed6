import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { envelope, topic } from '../contracts/topic.ts'
import { describeTopology } from '../dsl/describe.ts'
import { defineProcessor } from '../dsl/processor.ts'
import { defineTopology } from '../dsl/topology.ts'
import { memoryLog } from '../log/memory.ts'
import { silentLogger } from '../platform/logger.ts'
import { commandsSuite, NO_DESKS } from './testing/commands.suite.ts'
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

const OPERATOR = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const FILES = new Map([
  ['good.json', JSON.stringify({ [OPERATOR]: { idRules: ['hex2dec'], longMessage: 'TLV', tls: true } })],
  [
    'bad.json',
    JSON.stringify({
      [OPERATOR]: {
        windw: 5,
        idRules: ['hex2dec', 'dec2hex'],
        timers: { bindMs: 'soon' },
        tonNpi: { e164: [1] },
      },
      someone: {},
    }),
  ],
  ['no.json', '{'],
])

async function run(...args: readonly string[]): Promise<readonly [number, string, string]> {
  let said = ''
  let complained = ''
  const code = await runCommand(args, {
    topologies: [topologyNamed('one'), topologyNamed('two')],
    topics: [{ name: 'words', partitions: 4, replicas: 1, config: { 'cleanup.policy': 'compact' } }],
    pages: { topologies: () => 'the page', topics: () => 'the topics' },
    readFile: (path) => FILES.get(path),
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

  it('[PD2] say what the profiles of a file mean, operator by operator', async () => {
    const [code, said, complained] = await run('operators', 'check', 'good.json')
    expect([code, complained]).toEqual([0, ''])
    const lines = said.split('\n')
    expect(lines[0]).toBe(OPERATOR)
    expect(lines).toContain('  Message ids are compared hexadecimal in the response, decimal in the receipt.')
    expect(lines).toContain('  A long text goes as one submit_sm with message_payload.')
    expect(lines).toContain("  The link is TLS, checked against the system's certificates.")
  })

  it('[PD2] name every fault of a file of profiles with the path of its field', async () => {
    const [code, said, complained] = await run('operators', 'check', 'bad.json')
    expect([code, said]).toEqual([1, ''])
    for (const path of [
      `${OPERATOR}: Unrecognized key: "windw"`,
      `${OPERATOR}.idRules: hex2dec and dec2hex contradict each other`,
      `${OPERATOR}.timers.bindMs: `,
      `${OPERATOR}.tonNpi.e164: `,
      'someone: ',
    ])
      expect(complained).toContain(path)
    expect(await run('operators', 'check', 'no.json')).toEqual([1, '', '(file): must be JSON\n'])
    expect((await run('operators', 'check', 'nowhere'))[2]).toBe('nowhere cannot be read.\n')
    expect((await run('operators', 'check'))[0]).toBe(2)
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
