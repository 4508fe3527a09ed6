import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { variablesOf } from './environment-of.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

describe('variablesOf', () => {
  const folder = mkdtempSync(join(tmpdir(), 'environment-of-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  for (const [file, text] of [
    ['streams/platform/config.ts', 'export const commonEnv = {\n  HOST: z.string(),\n}'],
    ['streams/contracts/correlation-hours.ts', ''],
    ['bridges/config.ts', ''],
    ['bridges/routing/lookup.ts', ''],
    [
      'a/main.ts',
      `const config = readConfig({
        ...commonEnv,
        /** A comment, with a comma. */
        NESTED: jsonText.pipe(z.object({ a: z.string().optional(), b: list.default([]) })),
        GIVEN: z.string().default('https://a.example/'),
        PERHAPS: z.string().optional(), // or: not
      })`,
    ],
    ['b/main.ts', 'const config = readConfig(await somewhere())'],
  ] as const) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }

  it('tells required variables from those with a default, whatever their own fields have', () => {
    const found = variablesOf(folder, 'a/main.ts')
    expect(Object.fromEntries(found)).toEqual({
      HOST: { required: true },
      NESTED: { required: true },
      GIVEN: { required: false },
      PERHAPS: { required: false },
    })
  })

  it('refuses a source that it cannot read instead of finding nothing', () => {
    expect(() => variablesOf(folder, 'b/main.ts')).toThrow(/await/)
  })

  it('finds the shape of a service in the config.ts beside its entry', () => {
    const found = variablesOf(root, 'smpp-gateway/main.ts')
    expect(found.get('OPERATOR_IDS')).toEqual({ required: true })
    expect(found.get('OPERATOR_OPTIONS')).toEqual({ required: false })
    expect(found.get('NATS_URL')).toEqual({ required: false })
    expect(found.has('DATABASE_URL')).toBe(false)
  })
})
