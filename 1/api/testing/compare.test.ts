import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compare, main } from '../compare.ts'

const accepted = { messageId: 'a', status: 'QUEUED', segmentCount: 1, encoding: 'GSM7', enqueuedAt: 'x' }
const line = (requestId: string, body: unknown = accepted, status = 202) =>
  JSON.stringify({ requestId, status, headers: { server: 'old' }, body })
const many = (count: number, body?: unknown) =>
  Array.from({ length: count }, (_, index) => line(`r${index}`, body)).join('\n')

test('MIG-3.1 MIG-5.1 ids, instants, Server and added fields are no difference', () => {
  const now = { ...accepted, messageId: 'b', enqueuedAt: 'y', warnings: [] }
  const problem = { code: 'INVALID_PAYLOAD', instance: 'one', errors: [{ path: 'to' }] }
  const before = [line('r1'), line('r2', problem, 400)].join('\n')
  const after = [line('r2', { ...problem, instance: 'two' }, 400), line('r1', now), ''].join('\n')
  expect(compare(before, after)).toEqual({
    compared: 2,
    different: 0,
    alone: 0,
    shown: [],
    isAcceptable: true,
  })
})

test.each([
  ['another status', line('r', accepted, 400), 'r: status'],
  ['another code', line('r', { ...accepted, status: 'SENT' }), 'r: body.status'],
  ['a missing field', line('r', { messageId: 'b', status: 'QUEUED', segmentCount: 1 }), 'r: body.encoding'],
])('%s is named by its place, never by its value', (_, after, shown) => {
  expect(compare(line('r'), after)).toMatchObject({ different: 1, shown: [shown], isAcceptable: false })
})

test('one in a thousand is acceptable, more is not, and at most twenty are shown', () => {
  const before = many(2_000)
  const changed = (count: number) =>
    [...many(2_000).split('\n').slice(count), many(count, { ...accepted, segmentCount: 2 })].join('\n')
  expect(compare(before, changed(2))).toMatchObject({ different: 2, isAcceptable: true })
  expect(compare(before, changed(3))).toMatchObject({ different: 3, isAcceptable: false })
  expect(compare(before, changed(50)).shown).toHaveLength(20)
})

test('answers that only one side gave count, and nothing to compare is not acceptable', () => {
  expect(compare(many(3), many(2))).toMatchObject({ compared: 2, alone: 1, isAcceptable: false })
  expect(compare('', '')).toMatchObject({ compared: 0, isAcceptable: false })
  expect(() => compare('nonsense', '')).toThrow('line 1 is no answer')
})

test('the program ends with 0, 1 or 2', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'compare-'))
  const [one, two] = [join(folder, 'one'), join(folder, 'two')]
  const lines: string[] = []
  const run = (...files: readonly string[]) => main(files, (line) => void lines.push(line))
  await writeFile(one, line('r'))
  await writeFile(two, line('r', accepted, 500))
  expect([await run(one, one), await run(one, two), await run(one)]).toEqual([0, 1, 2])
  expect(lines).toContain('compared 1, different 1, in one file only 0')
  await rm(folder, { recursive: true })
})
