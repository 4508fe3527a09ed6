import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import { openArchive } from './archive/open.ts'
import { jobsConfig } from './config.ts'
import { jobsWith } from './jobs.ts'

let folder: string
let secret: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'archive-'))
  secret = join(folder, 'secret')
  writeFileSync(secret, ' s3cret \n')
})
afterAll(() => rmSync(folder, { recursive: true }))

const config = (env: Readonly<Record<string, string>>) =>
  jobsConfig({ DATABASE_URL: 'postgres://127.0.0.1/x', ...env }).archive

describe('the configuration of the archive', () => {
  it('without a bucket is none: there is no such job, which is said once', () => {
    const lines: string[] = []
    const destination = { write: (line: string) => void lines.push(line) }
    const logger = createLogger({ service: 'jobs', level: 'info', destination })
    const means = openArchive(config({}), { logger, metrics: new Metrics() })
    expect(jobsWith(logger, means).map(({ name }) => name)).not.toContain('archive')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('"event":"archive.off"')
  })

  it('[DB63] has a bucket of its own for orphans, and leaves keys to the SDK unless there are some', () => {
    expect(config({ ARCHIVE_BUCKET: 'b' })).toEqual({
      buckets: { archive: 'b', orphans: 'ghasi-dlr-archive' },
      endpoint: undefined,
      region: undefined,
      credentials: undefined,
    })
  })

  it('takes a secret from a file only, and both halves of a key or none', () => {
    const key = { ARCHIVE_BUCKET: 'b', ARCHIVE_ACCESS_KEY_ID: 'k' }
    expect(config({ ...key, ARCHIVE_SECRET_ACCESS_KEY_FILE: secret })?.credentials).toEqual({
      accessKeyId: 'k',
      secretAccessKey: ' s3cret ',
    })
    expect(() => config(key)).toThrow('belong together')
    expect(() => config({ ARCHIVE_BUCKET: 'b', ARCHIVE_SECRET_ACCESS_KEY_FILE: secret })).toThrow(
      'belong together',
    )
    const missing = join(folder, 'missing')
    expect(() => config({ ...key, ARCHIVE_SECRET_ACCESS_KEY_FILE: missing })).toThrow('cannot be read')
  })
})
