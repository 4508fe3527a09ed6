import { Client } from 'pg'
import { z } from 'zod'
import { commonEnv, readConfig } from '../streams/platform/config.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { ensurePartitions } from './postgres/partitions.ts'
import { migrate } from './sql/migrate.ts'

/**
 * Brings the database of DATABASE_URL (a superuser's at first, later migrator's) up to date, then
 * ends. Safe to repeat.
 */
const config = readConfig({ ...commonEnv, DATABASE_URL: z.string() })
const logger = createLogger({ service: 'migrate', level: config.LOG_LEVEL })
const client = new Client({ connectionString: config.DATABASE_URL, connectionTimeoutMillis: 10_000 })
const now = () => Date.now()

try {
  await client.connect()
  const applied = await migrate({ client, now })
  const partitions = await ensurePartitions({ client, now, monthsAhead: 3, monthsBack: 1 })
  logger.info('migrate.done', { records: applied.length + partitions.length })
} catch (error) {
  logger.error('migrate.failed', { error })
  process.exitCode = 1
} finally {
  await client.end().catch((error: unknown) => logger.warn('migrate.close_failed', { error }))
}
