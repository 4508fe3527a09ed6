import { beforeEach, describe, expect, it } from 'vitest'
import { encode } from '../contracts/decode.ts'
import { sentExample, unmatchedExample } from '../contracts/examples.ts'
import { sentSegments, unmatchedReceipts } from '../contracts/receipts.ts'
import { memoryLog, type MemoryLog } from '../log/memory.ts'
import { silentLogger } from '../platform/logger.ts'
import { runCommand } from './commands.ts'
import { NO_DESKS } from './testing/commands.suite.ts'

const { operatorId } = sentExample
const ANOTHER = '0b8d1c0e-6a44-4b0e-9d0b-1f0c5a7e9d10'

let log: MemoryLog
beforeEach(async () => {
  log = memoryLog()
  const client = log.connect()
  const topics = [sentSegments.name, unmatchedReceipts.name]
  await client.admin.ensureTopics(topics.map((name) => ({ name, partitions: 2, replicas: 1, config: {} })))
  await client.close()
})

async function write(topic: string, key: string, value: unknown): Promise<void> {
  const client = log.connect()
  const writer = client.writer()
  const record = {
    topic,
    partition: key.length % 2,
    key: Buffer.from(key),
    value: Buffer.from(encode(value)),
  }
  await writer.write([{ ...record, headers: {}, timestamp: 0 }])
  await writer.close()
  await client.close()
}

const submitted = (operatorMessageId: string, by = operatorId): Promise<void> =>
  write(sentSegments.name, `${by}:${operatorMessageId}`, {
    ...sentExample,
    operatorId: by,
    operatorMessageId,
  })
const unmatched = (operatorMessageId: string): Promise<void> =>
  write(unmatchedReceipts.name, `${operatorId}:${operatorMessageId}`, {
    ...unmatchedExample,
    operatorId,
    operatorMessageId,
  })

async function report(...operands: readonly string[]): Promise<readonly [number, string]> {
  let said = ''
  const code = await runCommand(['operators', 'ids', ...operands], {
    topologies: [],
    topics: [],
    pages: { topologies: () => '', topics: () => '' },
    readFile: () => undefined,
    connect: () => log.connect(),
    desks: NO_DESKS,
    now: () => 0,
    audit: silentLogger,
    say: (text) => void (said += text),
    complain: () => {},
    user: 'someone',
  })
  return [code, said]
}

describe('[K2] the ids of an operator', () => {
  it('are compared under every rule, and the plainest that brings most of them together is named', async () => {
    for (let number = 0; number < 5; number += 1) {
      await submitted((0x812fc74700 + number).toString(16))
      await unmatched(`000${0x812fc74700 + number}`)
    }
    await unmatched('foreign')
    // Of another operator: no receipt of this one is meant.
    await submitted('foreign', ANOTHER)
    const [code, said] = await report(operatorId)
    expect(code).toBe(0)
    expect(said).toContain('ids of 5 submits, and of 6 receipts that found none of them')
    expect(said).toContain('Set idRules to ["hex2dec"] in its profile: 5 of 6 would find theirs.')
    expect(said).not.toContain('812fc7470')
  })

  it.each([
    ['case', 'ABC-1', 'abc-1', '["lower"]'],
    ['zeros', '0017', '17', '["zeros"]'],
    ['hyphens', 'a-b-1', 'ab1', '["hyphens"]'],
    ['case and zeros', '00AB', 'ab', '["lower","zeros"]'],
    ['base', '255', 'FF', '["dec2hex"]'],
  ])('that differ in %s', async (_what, submit, receipt, rules) => {
    await submitted(submit)
    await unmatched(receipt)
    expect((await report(operatorId))[1]).toContain(`Set idRules to ${rules}`)
  })

  it('that no rule brings together, or that need none, are said to be so', async () => {
    expect((await report(operatorId))[1]).toContain('Nothing to set.')
    await submitted('a')
    await unmatched('b')
    expect((await report(operatorId))[1]).toContain('No rules that are known bring them together.')
    await unmatched('a')
    expect((await report(operatorId))[1]).toContain('1 of them find theirs as they are')
  })

  it('are those of an operator', async () => {
    expect((await report())[0]).toBe(2)
    expect((await report('Roshan'))[0]).toBe(2)
  })
})
