import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLogger } from '../../streams/platform/logger.ts'
import { fakeApp, goodBody, goodHeaders, reply, type FakeApp } from '../testing/fake-app.suite.ts'
import { until } from '../testing/until.suite.ts'
import { watchFlags, type WatchedFlags } from './flags.ts'

let app: FakeApp | undefined
let folder: string
let lines: string[]
let flags: WatchedFlags | undefined
beforeEach(async () => {
  lines = []
  folder = await mkdtemp(join(tmpdir(), 'flags-'))
})
afterEach(async () => {
  await app?.close()
  await flags?.close()
  await rm(folder, { recursive: true })
  app = undefined
  flags = undefined
})

const write = async (text: string): Promise<string> => {
  const file = join(folder, 'flags.json')
  // As a mounted file changes: another one takes its name.
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
  return file
}
const watched = async (file: string | undefined) => {
  const defaults = { enabled: false, shadow: true }
  const logger = createLogger({
    service: 'api',
    level: 'info',
    destination: { write: (line) => lines.push(line) },
  })
  flags = await watchFlags({ file, defaults, logger, everyMs: 5 })
  return flags
}

describe('MIG-6.1 the flags', () => {
  test('MIG-3.0 switch a running process on and off, without a start', async () => {
    const file = await write('{"SUBMIT_API_ENABLED":"true"}')
    const { current } = await watched(file)
    expect(current).toEqual({ enabled: true, shadow: true })
    app = await fakeApp({ app: { flags: () => flags?.current ?? current } })
    expect((await app.send(goodBody)).status).toBe(202)
    await write('{"SUBMIT_API_ENABLED":"false","SUBMIT_API_SHADOW":"false"}')
    await until(() => flags?.current.enabled === false)
    expect((await app.send(goodBody)).json).toMatchObject({ code: 'SUBMIT_API_DISABLED' })
    expect(flags?.current.shadow).toBe(false)
  })

  test.each(['', '{', '[]', '{"SUBMIT_API_ENABLED":"maybe"}'])(
    'stay as they were while the file holds %j',
    async (text) => {
      const file = await write('{"SUBMIT_API_ENABLED":"true","SUBMIT_API_SHADOW":"false"}')
      await watched(file)
      await write(text)
      await until(() => lines.some((line) => line.includes('api.flags_unreadable')))
      expect(flags?.current).toEqual({ enabled: true, shadow: false })
      await write('{}')
      await until(() => flags?.current.enabled === false)
    },
  )

  test('are those of the environment without a file, or with one that is not there', async () => {
    expect((await watched(undefined)).current).toEqual({ enabled: false, shadow: true })
    await flags?.close()
    expect((await watched(join(folder, 'nothing'))).current).toEqual({ enabled: false, shadow: true })
  })
})

test('MIG-3.1 in shadow mode the answer says so, and the use case is told to store nothing', async () => {
  app = await fakeApp({ app: { flags: () => ({ enabled: true, shadow: true }) } })
  const single = await app.send(goodBody)
  const bulk = await app.call('/v1/sms/bulk', {
    method: 'POST',
    headers: goodHeaders,
    body: JSON.stringify({ messages: [goodBody] }),
  })
  expect([single, bulk].map(({ status, headers }) => [status, headers['x-shadow']])).toEqual([
    [202, 'true'],
    [202, 'true'],
  ])
  expect(app.submitted.map(({ isShadow }) => isShadow)).toEqual([true, true])
  expect((await app.send({})).headers['x-shadow']).toBe('true')
})

test('MIG-2.5 the metrics have their old names too, and can lose them', async () => {
  app = await fakeApp({
    outcome: async () => ({ kind: 'replayed', reply }),
    app: { metricAliases: true },
  })
  app.instruments.submits.inc({ result: 'replay' }, 3)
  app.instruments.submits.inc({ result: 'accepted' }, 5)
  app.instruments.submitSeconds.observe(0.02)
  const { text } = await app.call('/metrics')
  for (const line of [
    '# TYPE gateway_submit_total counter',
    'gateway_submit_total{result="accepted"} 5',
    'orch_submit_total{result="accepted"} 5',
    'gateway_submit_latency_seconds_bucket{le="0.025"} 1',
    'gateway_submit_latency_seconds_count 1',
    'gateway_idempotency_replay_total 3',
  ])
    expect(text.split('\n')).toContain(line)
  await app.close()
  app = await fakeApp({ app: { metricAliases: false } })
  expect((await app.call('/metrics')).text).not.toContain('gateway_')
})
