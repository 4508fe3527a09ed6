import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { sleep } from '../../../../streams/platform/backoff.ts'
import { silentLogger } from '../../../../streams/platform/logger.ts'
import { Metrics } from '../../../../streams/platform/metrics.ts'
import { openJobPools } from '../../pools.ts'
import { archive, archiveMetrics } from '../archive.ts'
import { s3Store } from '../s3.ts'
import { NIGHT_MS } from './archive.suite.ts'
import { interposedStore } from './interposed.suite.ts'

/** One night of the archive, which is killed at its first request to S3 of the kind given. */
const Options = z.object({
  buckets: z.object({ archive: z.string(), orphans: z.string() }),
  endpoint: z.string(),
  region: z.string(),
  credentials: z.object({ accessKeyId: z.string(), secretAccessKey: z.string() }),
})
const url = z.string().parse(process.env['DATABASE_URL'])
const options = Options.parse(JSON.parse(process.env['ARCHIVE_OPTIONS'] ?? ''))
const [fatal] = process.argv.slice(2)

const store = interposedStore(s3Store(options), async (what, act) => {
  const result = await act()
  if (what === fatal) process.kill(process.pid, 'SIGKILL')
  return result
})
const pools = openJobPools({ migrator: url, relay: url, dlr: url, smpp: url }, () => {})
await archive({
  store,
  logger: silentLogger,
  metrics: archiveMetrics(new Metrics()),
  now: () => NIGHT_MS,
  sleep: (ms) => sleep(ms),
  newId: randomUUID,
}).run(pools, { nowMs: NIGHT_MS, lastMs: undefined, refused: () => {} })
