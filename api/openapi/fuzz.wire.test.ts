import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand } from '../../dev/stack/command.ts'
import { pythonWith } from '../../dev/stack/python-tool.ts'
import { OPERATIONS } from './operations.ts'
import { authorized, startRealApi, type RealApi } from '../testing/real-api.suite.ts'

/**
 * Somebody else's reading of our document: requests that follow it and requests that do not, each
 * answer judged by it.
 */
const FUZZER = 'from schemathesis.cli import schemathesis; schemathesis()'
const REQUIREMENTS = fileURLToPath(new URL('../../dev/stack/schemathesis.txt', import.meta.url))
// What a field means is more than a schema can say, so whether a request is taken is not judged.
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'ignored_auth',
]
const FUZZING_SECONDS_MAX = 45

let api: RealApi
let python: string
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fuzz-'))
  python = await pythonWith(REQUIREMENTS)
  api = await startRealApi()
}, 600_000)
afterAll(async () => {
  await api.close()
  rmSync(folder, { recursive: true })
})

test('a fuzzer that only knows the document finds no failure of the server and no answer that breaks it', async () => {
  await api.send({ to: '+447700900123', from: 'GHASI', body: 'one to be found' })
  const credentials = Object.entries(
    await authorized(api, { roles: 'platform.admin', sub: 'fuzzer' }),
  ).flatMap(([name, value]) => ['-H', `${name}:${value}`])
  const options = [
    '--phases',
    'examples,coverage,fuzzing',
    '--seed',
    '1',
    '--max-examples',
    '40',
    '--no-color',
  ]
  const limits = ['--max-time', String(FUZZING_SECONDS_MAX), '--request-timeout', '30', '--warnings', 'off']
  const target = ['run', `${api.url}/openapi.json`, '--checks', CHECKS.join(',')]
  const { code, output } = await runCommand(
    python,
    ['-c', FUZZER, ...target, ...credentials, ...options, ...limits],
    { cwd: folder },
  )
  expect(output).toContain('No issues found')
  expect(output).toContain(`Tested: ${OPERATIONS.length}`)
  expect(code).toBe(0)
}, 600_000)
