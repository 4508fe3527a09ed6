import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { commonEnv, ConfigError, milliseconds, port, readConfig } from '../../streams/platform/config.ts'
import { addressAs } from '../postgres/pool.ts'
import type { S3Options } from './archive/s3.ts'

const shape = {
  ...commonEnv,
  PORT: port.default(9467),
  DATABASE_URL: z.string().url(),
  /**
   * One address a role, with its password. Absent: DATABASE_URL as that role without a password,
   * which only a trusting cluster takes.
   */
  JOBS_MIGRATOR_URL: z.string().url().optional(),
  JOBS_RELAY_URL: z.string().url().optional(),
  JOBS_DLR_URL: z.string().url().optional(),
  JOBS_SMPP_URL: z.string().url().optional(),
  /** Where the archive goes [DB61]. Absent: nothing is archived. */
  ARCHIVE_BUCKET: z.string().optional(),
  /** Receipts that found no message have a bucket of their own, which is purged [DB63]. */
  ARCHIVE_ORPHAN_BUCKET: z.string().default('ghasi-dlr-archive'),
  /** Absent: S3 of AWS. Another is spoken to with the bucket in the path. */
  ARCHIVE_ENDPOINT: z.string().url().optional(),
  ARCHIVE_REGION: z.string().optional(),
  /**
   * With its secret in a file. Absent: the SDK's own chain (AWS_* variables, profile, web identity,
   * instance), which is the better way where there is one.
   */
  ARCHIVE_ACCESS_KEY_ID: z.string().optional(),
  ARCHIVE_SECRET_ACCESS_KEY_FILE: z.string().optional(),
  /** How often is looked for what is due. */
  JOBS_LOOK_MS: milliseconds.min(100).default(30_000),
}

type Given = z.infer<z.ZodObject<typeof shape>>

function archiveOf(given: Given): S3Options | undefined {
  const { ARCHIVE_BUCKET, ARCHIVE_ORPHAN_BUCKET, ARCHIVE_ENDPOINT: endpoint, ARCHIVE_REGION: region } = given
  if (ARCHIVE_BUCKET === undefined) return undefined
  const buckets = { archive: ARCHIVE_BUCKET, orphans: ARCHIVE_ORPHAN_BUCKET }
  return { buckets, endpoint, region, credentials: credentialsOf(given) }
}

/** The file is read once, at the start. */
function credentialsOf(given: Given): S3Options['credentials'] {
  const { ARCHIVE_ACCESS_KEY_ID: accessKeyId, ARCHIVE_SECRET_ACCESS_KEY_FILE: path } = given
  if (accessKeyId === undefined && path === undefined) return undefined
  if (accessKeyId === undefined || path === undefined)
    throw new ConfigError('ARCHIVE_ACCESS_KEY_ID and ARCHIVE_SECRET_ACCESS_KEY_FILE belong together')
  return { accessKeyId, secretAccessKey: contentOf(path) }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch {
    throw new ConfigError('ARCHIVE_SECRET_ACCESS_KEY_FILE: the file cannot be read')
  }
}

/** The environment of the jobs, read once. Throws ConfigError with the names of what is wrong. */
export function jobsConfig(env?: Readonly<Record<string, string | undefined>>) {
  const given = readConfig(shape, env)
  const address = (own: string | undefined, role: string) => own ?? addressAs(given.DATABASE_URL, role)
  return {
    ...given,
    archive: archiveOf(given),
    addresses: {
      migrator: address(given.JOBS_MIGRATOR_URL, 'migrator'),
      relay: address(given.JOBS_RELAY_URL, 'orch_relay'),
      dlr: address(given.JOBS_DLR_URL, 'dlr_svc'),
      smpp: address(given.JOBS_SMPP_URL, 'smpp_svc'),
    },
  }
}
