import {
  GetBucketLifecycleConfigurationCommand,
  PutBucketLifecycleConfigurationCommand,
  type LifecycleRule,
  type S3Client,
} from '@aws-sdk/client-s3'
import { asked, nameOf } from './s3.ts'
import type { Buckets } from './store.ts'

/**
 * [DB63]: orphans are purged a year after they came. In a bucket with versions an expired object
 * only becomes hidden, so its versions go as well. What a killed upload has left is paid for until
 * it is taken away.
 */
export const ORPHAN_RULES: readonly LifecycleRule[] = [
  {
    ID: 'sms-orphans-purged-after-a-year',
    Status: 'Enabled',
    Filter: { Prefix: 'orphans/' },
    Expiration: { Days: 365 },
    NoncurrentVersionExpiration: { NoncurrentDays: 1 },
  },
  unfinished('orphans/'),
]
/** Nothing else is purged: no rule says so. */
export const ARCHIVE_RULES: readonly LifecycleRule[] = [unfinished('orch/'), unfinished('dlr/')]

function unfinished(prefix: string): LifecycleRule {
  return {
    ID: `sms-unfinished-uploads-of-${prefix.slice(0, -1)}`,
    Status: 'Enabled',
    Filter: { Prefix: prefix },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
  }
}

/** By bucket; the two may be one. */
function rulesOf({ archive, orphans }: Buckets): ReadonlyMap<string, readonly LifecycleRule[]> {
  if (archive === orphans) return new Map([[archive, [...ARCHIVE_RULES, ...ORPHAN_RULES]]])
  return new Map([
    [archive, ARCHIVE_RULES],
    [orphans, ORPHAN_RULES],
  ])
}

/**
 * Sets our rules and keeps those of others, which S3 would replace as a whole. Gives the buckets
 * that have been changed. For a person: the job needs no right to say what is deleted.
 */
export async function applyLifecycle(client: S3Client, buckets: Buckets): Promise<readonly string[]> {
  const changed: string[] = []
  for (const [Bucket, ours] of rulesOf(buckets)) {
    const there = await rulesThere(client, Bucket)
    if (ours.every((rule) => there.some((other) => isSame(rule, other)))) continue
    const others = there.filter(({ ID }) => !ours.some((rule) => rule.ID === ID))
    const LifecycleConfiguration = { Rules: [...others, ...ours] }
    await asked('PutBucketLifecycleConfiguration', () =>
      client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration })),
    )
    changed.push(Bucket)
  }
  return changed
}

const rulesThere = (client: S3Client, Bucket: string): Promise<readonly LifecycleRule[]> =>
  asked('GetBucketLifecycleConfiguration', async () => {
    try {
      const { Rules = [] } = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))
      return Rules
    } catch (error) {
      if (nameOf(error) === 'NoSuchLifecycleConfiguration') return []
      throw error
    }
  })

/** A rule of ours is there with everything that it says; S3 may add words of its own. */
const isSame = (ours: unknown, there: unknown): boolean => {
  if (typeof ours !== 'object' || ours === null) return ours === there
  if (typeof there !== 'object' || there === null) return false
  return Object.entries(ours).every(([key, value]) => isSame(value, Reflect.get(there, key)))
}
