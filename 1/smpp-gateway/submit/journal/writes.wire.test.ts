import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { connectRedis, type WatchedState } from '../../redis.ts'
import { until } from '../../testing/invented.suite.ts'
import { envOf } from '../../testing/rig.suite.ts'
import { JournalWrites } from './writes.ts'

let shared: WatchedState
beforeEach(async () => {
  shared = connectRedis({ url: envOf('REDIS_URL'), now: () => performance.now(), logger: silentLogger })
  await until(() => shared.isUp, 30_000)
})
afterEach(() => shared.close())

const newKey = (): string => `smpp:progress:${randomUUID()}`
const hash = (key: string) => shared.attempt((redis) => redis.hgetall(key))
const lifeS = (key: string) => shared.attempt((redis) => redis.ttl(key))

it('words of one turn are one call, whatever the command, and each gets its own answer', async () => {
  const attempt = vi.spyOn(shared, 'attempt')
  const writes = new JournalWrites(shared)
  const keys = Array.from({ length: 300 }, newKey)
  const first = keys.map((key, at) => writes.write(key, '1', `word ${at}`, 'new'))
  const again = writes.write(keys[7] ?? '', '1', 'another', 'new')
  expect(await Promise.all(first)).toEqual(keys.map(() => true))
  expect(await again).toBe(false)
  expect(attempt).toHaveBeenCalledTimes(1)
  expect(await hash(keys[7] ?? '')).toEqual({ 1: 'word 7' })
})

it('[DB84] what a command says first gives it three days to live, what it says then none more', async () => {
  const writes = new JournalWrites(shared)
  const key = newKey()
  await writes.write(key, '1', 'first', 'new')
  expect(await lifeS(key)).toBeGreaterThan(259_000)
  await shared.attempt((redis) => redis.expire(key, 1_000))
  await writes.write(key, '1', 'then', 'more')
  expect(await lifeS(key)).toBeLessThanOrEqual(1_000)
  await writes.write(key, '2', 'anew', 'first')
  expect(await lifeS(key)).toBeGreaterThan(259_000)
  expect(await hash(key)).toEqual({ 1: 'then', 2: 'anew' })
})

it('what is asked after a flush finds what was written before it', async () => {
  const writes = new JournalWrites(shared)
  const key = newKey()
  void writes.write(key, '1', 'old', 'first')
  void writes.write(key, '1', 'new', 'more')
  writes.flush()
  expect(await hash(key)).toEqual({ 1: 'new' })
})

it('without Redis nobody knows, and nobody waits', async () => {
  const writes = new JournalWrites(shared)
  shared.close()
  await until(() => !shared.isUp)
  expect(await Promise.all([1, 2].map((at) => writes.write(newKey(), String(at), 'x', 'new')))).toEqual([
    undefined,
    undefined,
  ])
})
