import { randomUUID } from 'node:crypto'
import { sleep } from '../../../streams/platform/backoff.ts'
import type { Logger } from '../../../streams/platform/logger.ts'
import type { Metrics } from '../../../streams/platform/metrics.ts'
import { archiveMetrics, type ArchiveMeans } from './archive.ts'
import { s3Store, type S3Options } from './s3.ts'

/** Undefined, which is said: there is no bucket to archive to. */
export function openArchive(
  options: S3Options | undefined,
  { logger, metrics }: { readonly logger: Logger; readonly metrics: Metrics },
): ArchiveMeans | undefined {
  if (options === undefined) {
    logger.info('archive.off', { reason: 'ARCHIVE_BUCKET is not set' })
    return undefined
  }
  return {
    store: s3Store(options),
    logger,
    metrics: archiveMetrics(metrics),
    now: Date.now,
    sleep: (ms) => sleep(ms),
    newId: randomUUID,
  }
}
