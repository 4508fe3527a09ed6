import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { runCommand } from '../../dev/stack/command.ts'
import { ensurePrograms, locate } from '../../dev/stack/install.ts'

/** Prometheus's own reading of the rules, and of what they do to simulated series [A2]. */

const folder = fileURLToPath(new URL('.', import.meta.url))
const files = (ending: string) => readdirSync(folder).filter((name) => name.endsWith(ending))
const INSTALL_MS_MAX = 300_000

let promtool: string
beforeAll(async () => {
  await ensurePrograms(['promtool'], () => undefined, new AbortController().signal)
  promtool = await locate('promtool')
}, INSTALL_MS_MAX)

async function refusal(how: 'check' | 'test', name: string): Promise<string | undefined> {
  const { code, output } = await runCommand(promtool, [how, 'rules', name], { cwd: folder })
  return code === 0 && output.includes('SUCCESS') ? undefined : output
}

test.each(files('.rules.yml'))('%s holds rules that Prometheus takes', async (name) => {
  expect(await refusal('check', name)).toBeUndefined()
})

test.each(files('.rules.test.yml'))('%s: the alerts fire when they should, and only then', async (name) => {
  expect(await refusal('test', name)).toBeUndefined()
})

test('every file of rules has its file of tests', () => {
  const tested = files('.rules.test.yml').map((name) => name.replace('.test.yml', '.yml'))
  expect(new Set(tested)).toEqual(new Set(files('.rules.yml')))
})
