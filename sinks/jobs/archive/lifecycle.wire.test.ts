import { readFileSync } from 'node:fs'
import {
  GetBucketLifecycleConfigurationCommand,
  PutBucketLifecycleConfigurationCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyLifecycle, ARCHIVE_RULES, ORPHAN_RULES } from './lifecycle.ts'
import { startS3, type S3Server } from './testing/s3-server.suite.ts'

let server: S3Server
beforeAll(async () => {
  server = await startS3()
}, 900_000)
afterAll(() => server.close())

const rulesIn = async (Bucket: string) =>
  (await server.client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules ?? []
const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../ops/s3/${name}`, import.meta.url), 'utf8'))
const apply = () => applyLifecycle(server.client, server.options.buckets)

describe('DLR-022.2 [DB63] the lifecycle rule', () => {
  it('purges orphans after a year and nothing else, and a second time changes nothing', async () => {
    expect(await apply()).toEqual(['the-archive', 'ghasi-dlr-archive'])
    expect(await rulesIn('ghasi-dlr-archive')).toMatchObject(ORPHAN_RULES)
    expect(
      (await rulesIn('ghasi-dlr-archive')).find(({ Expiration }) => Expiration !== undefined),
    ).toMatchObject({
      Status: 'Enabled',
      Filter: { Prefix: 'orphans/' },
      Expiration: { Days: 365 },
    })
    expect((await rulesIn('the-archive')).filter(({ Expiration }) => Expiration !== undefined)).toEqual([])
    expect(await apply()).toEqual([])
  })

  it('keeps the rules of others, and puts ours right when somebody has changed one', async () => {
    const theirs = {
      ID: 'theirs',
      Status: 'Enabled' as const,
      Filter: { Prefix: 'x/' },
      Expiration: { Days: 1 },
    }
    const Rules = [theirs, ...ORPHAN_RULES.map((rule) => ({ ...rule, Status: 'Disabled' as const }))]
    await server.client.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket: 'ghasi-dlr-archive',
        LifecycleConfiguration: { Rules },
      }),
    )
    expect(await apply()).toEqual(['ghasi-dlr-archive'])
    expect(await rulesIn('ghasi-dlr-archive')).toMatchObject([theirs, ...ORPHAN_RULES])
  })

  it('is the one that ops/s3 has for other tools', () => {
    expect(read('orphans.lifecycle.json')).toEqual({ Rules: ORPHAN_RULES })
    expect(read('archive.lifecycle.json')).toEqual({ Rules: ARCHIVE_RULES })
  })
})
