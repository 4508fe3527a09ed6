import { expect, it } from 'vitest'
import type { LogRecord } from '../port.ts'
import { memoryLog } from '../memory.ts'
import { FIRST, quiet, withTopic, word, words } from './testing/world.suite.ts'

it('shows records when readers can have them, in one call for each step', async () => {
  const log = await withTopic(memoryLog())
  const shown: string[][] = []
  await log.writer().write([word('a')])
  log.follow(FIRST, (records: readonly LogRecord[]) => shown.push(words(records)))
  const held = log.begin('held')
  held.write([word('b'), word('c')])
  await log.writer().write([word('d')])
  expect(shown).toEqual([['a']])
  held.commit()
  await quiet()
  expect(shown).toEqual([['a'], ['b', 'c', 'd']])
})

it('ends where the partition is cut back', async () => {
  const log = await withTopic(memoryLog())
  const shown: string[] = []
  log.follow(FIRST, (records) => shown.push(...words(records)))
  await log.writer().write([word('a'), word('b')])
  log.truncate(FIRST, 1)
  await log.writer().write([word('c'), word('d')])
  expect(shown).toEqual(['a', 'b'])
})
