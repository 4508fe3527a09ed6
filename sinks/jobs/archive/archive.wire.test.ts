import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { openScene, type Scene } from '../../testing/scene.suite.ts'
import { closeJobPools, openJobPools } from '../pools.ts'
import { jobRunner } from '../runner.ts'
import type { JobPools } from '../schedule.ts'
import { columnsOf } from './columns.ts'
import { s3Store } from './s3.ts'
import { StoreFailed } from './store.ts'
import { ARCHIVED } from './tables.ts'
import { interposed, interposedStore } from './testing/interposed.suite.ts'
import {
  archived,
  fresh,
  insertMessages,
  insertReceipts,
  MONTH,
  nightOf,
  NIGHT_MS,
  poolsOf,
  printed,
  SECRETS,
} from './testing/archive.suite.ts'
import { startS3, type S3Server } from './testing/s3-server.suite.ts'

let scene: Scene
let server: S3Server
let pools: JobPools
beforeAll(async () => {
  server = await startS3()
  scene = await openScene('archive')
  pools = poolsOf(scene)
}, 900_000)
afterAll(async () => {
  await scene.close()
  await server.close()
})
beforeEach(() => fresh(scene))

const store = () => s3Store(server.options)
const states = () =>
  scene.rows(
    `SELECT table_name AS table, part, state, rows::int, object_key AS place FROM orch.archive_runs
     WHERE month = $1 AND (rows IS NULL OR rows > 0) ORDER BY 1, 2`,
    [MONTH],
  )
const placesOf = async () => (await states()).map(({ place }) => String(place))

const tablesAt = async (at: string) => {
  await nightOf(store()).run(pools, Date.parse(at))
  return (await states()).length
}

/** Exports, and is ended before the file is read back. */
async function exported(): Promise<string> {
  await insertMessages(scene, 40)
  const ending = interposedStore(store(), (what, act) =>
    what === 'sizeOf' ? Promise.reject(new Error('ended')) : act(),
  )
  await expect(nightOf(ending).run(pools)).rejects.toThrow('parts of the archive failed')
  const place = (await placesOf()).at(-1) ?? ''
  return place.slice('s3://the-archive/'.length)
}
const put = async (key: string, bytes: Uint8Array) =>
  server.client.send(new PutObjectCommand({ Bucket: 'the-archive', Key: key, Body: bytes }))

async function otherRows(): Promise<Uint8Array> {
  const [place = ''] = await placesOf()
  await nightOf(store()).run(pools)
  const bytes = await server.object('the-archive', place.slice('s3://the-archive/'.length))
  await fresh(scene)
  return bytes
}

const late = (id: string) =>
  scene
    .as('dlr_svc')
    .query(
      `INSERT INTO dlr.late_dlrs (late_id, received_at, payload) VALUES ($1, '2026-04-10T00:00:00Z', '{}')`,
      [id],
    )

/** As `printed`, of what DuckDB says. */
async function readByDuckDb(uri: string): Promise<readonly string[]> {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.*)$/.exec(uri) ?? []
  const { rows } = await server.rows(bucket, key)
  return rows.map((row) => JSON.stringify(Object.values(row))).toSorted()
}

/** Every column as a text, an instant as microseconds: the form in which DuckDB is asked. */
async function asDuckDbSays(relation: string): Promise<readonly string[]> {
  const columns = await columnsOf(scene.admin, relation)
  const texts = columns.map(({ name, isInstant }) =>
    isInstant ? `(extract(epoch FROM ${name}) * 1000000)::bigint::text` : `${name}::text`,
  )
  const rows = await scene.rows(`SELECT json_build_array(${texts.join(', ')}) AS row FROM ${relation}`)
  return rows.map(({ row }) => JSON.stringify(row)).toSorted()
}

describe('DAT-11 [DB61] [DB62] a month that is old enough', () => {
  it('goes to S3, table by table, and DuckDB reads what Postgres had, to the microsecond', async () => {
    await insertMessages(scene, 40)
    await insertReceipts(scene)
    const before = new Map<string, readonly string[]>()
    for (const { name } of ARCHIVED) before.set(name, await asDuckDbSays(name))
    expect(await nightOf(store()).run(pools)).toBe(45)
    expect(await states()).toMatchObject(
      ARCHIVED.map(({ name }) => ({
        table: name,
        part: 1,
        state: 'DROPPED',
        rows: before.get(name)?.length,
      })).toSorted((a, b) => a.table.localeCompare(b.table)),
    )
    for (const { table, place } of await states()) {
      expect(await scene.rows(`SELECT FROM ${String(table)}`)).toEqual([])
      expect(await readByDuckDb(String(place))).toEqual(before.get(String(table)))
    }
  })

  it('DLR-022.1 [DB63] lies where its year and month say, orphans in a bucket of their own', async () => {
    await insertMessages(scene, 1)
    await insertReceipts(scene)
    await nightOf(store()).run(pools)
    const folders = (await placesOf()).map((place) => place.replace(/[0-9a-f-]{36}\.parquet$/, ''))
    expect(folders).toEqual([
      's3://the-archive/dlr/delivery_receipts/2026/04/',
      's3://the-archive/dlr/late_dlrs/2026/04/',
      's3://ghasi-dlr-archive/orphans/2026/04/',
      's3://the-archive/dlr/quarantined_dlrs/2026/04/',
      's3://the-archive/dlr/segment_dlrs/2026/04/',
      's3://the-archive/orch/sms_messages/2026/04/',
    ])
  })

  it('DLR-022.1 of orphans is one 30 days after its end, of the others 90, and not an instant before', async () => {
    await insertMessages(scene, 1)
    await insertReceipts(scene)
    expect(await tablesAt('2026-05-30T23:59:59.999Z')).toBe(0)
    expect(await tablesAt('2026-05-31T00:00:00.000Z')).toBe(1)
    expect(await tablesAt('2026-07-29T23:59:59.999Z')).toBe(1)
    expect(await tablesAt('2026-07-30T00:00:00.000Z')).toBe(6)
  })

  it('leaves no object when there was no row in it, and is not made again', async () => {
    const keysBefore = await server.keys('the-archive')
    expect(await nightOf(store()).run(pools)).toBe(0)
    expect(await server.keys('the-archive')).toEqual(keysBefore)
    expect(await scene.rows(`SELECT to_regclass('orch.sms_messages_202604') AS it`)).toEqual([{ it: null }])
  })

  it('is never written over what is in the bucket, also when the tables have forgotten that', async () => {
    for (let life = 0; life < 2; life++) {
      await fresh(scene)
      await insertMessages(scene, 3)
      await nightOf(store()).run(pools)
    }
    const lives = (await server.keys('the-archive')).filter((key) =>
      key.startsWith('orch/sms_messages/2026/04/'),
    )
    expect(lives.length).toBeGreaterThanOrEqual(2)
    expect(new Set(lives).size).toBe(lives.length)
  })

  it('is 200,000 rows in groups and parts of bounded size, and is read back by DuckDB', async () => {
    await insertMessages(scene, 200_000)
    expect(await nightOf(store()).run(pools)).toBe(200_000)
    const [place = ''] = await placesOf()
    const key = place.slice('s3://the-archive/'.length)
    const query = `SELECT count(*) AS rows, count(DISTINCT message_id) AS ids, sum(status_seq) AS sum FROM read_parquet(?)`
    expect((await server.rows('the-archive', key, query)).rows).toEqual([
      { rows: '200000', ids: '200000', sum: '20000100000' },
    ])
    const groups = `SELECT count(*) AS groups, max(n) AS largest FROM (
      SELECT row_group_id, max(row_group_num_rows) AS n FROM parquet_metadata(?) GROUP BY 1)`
    expect((await server.rows('the-archive', key, groups)).rows).toEqual([{ groups: '10', largest: '20000' }])
  }, 300_000)
})

describe('[DB71] the job', () => {
  it('runs under the lock of its runner, on the connections that the process has', async () => {
    await insertMessages(scene, 5)
    const { job, metrics } = nightOf(store())
    const role = scene.database.urlAs('migrator')
    const own = openJobPools({ migrator: role, relay: role, dlr: role, smpp: role }, () => {})
    try {
      const runner = jobRunner({
        jobs: [job],
        pools: own,
        metrics,
        logger: silentLogger,
        now: () => NIGHT_MS,
      })
      await runner.runDue()
      expect(await metrics.registry.metrics()).toContain('archive_rows_total{table="orch.sms_messages"} 5')
      expect(await metrics.registry.metrics()).toContain(
        `job_last_success_timestamp_seconds{job="archive"} ${NIGHT_MS / 1000}`,
      )
    } finally {
      await closeJobPools(own)
    }
  })

  it('of two processes that both believe to hold the lock takes every row once', async () => {
    await insertMessages(scene, 300)
    await insertReceipts(scene)
    const before = await printed(scene, 'orch.sms_messages')
    await Promise.allSettled([1, 2, 3].map(() => nightOf(store()).run(pools)))
    await nightOf(store()).run(pools)
    expect(await archived(scene, server, 'orch.sms_messages')).toEqual(before)
    expect(await archived(scene, server, 'dlr.late_dlrs')).toHaveLength(1)
    expect(await scene.rows(`SELECT FROM orch.archive_runs WHERE part > 1`)).toEqual([])
  })
})

describe('DAT-12 [DB71] a month with rows in flight', () => {
  it.each(['SCHEDULED', 'QUEUED', 'ROUTING', 'ROUTED'])(
    'stays whole for one that is %s, and goes when it is over',
    async (status) => {
      await insertMessages(scene, 5)
      await insertMessages(scene, 1, status)
      const night = nightOf(store())
      expect(await night.run(pools)).toBe(0)
      expect(await scene.rows('SELECT FROM orch.sms_messages')).toHaveLength(6)
      expect(await night.metrics.registry.metrics()).toContain(
        'archive_kept_months{table="orch.sms_messages"} 1',
      )
      await scene.admin.query(`UPDATE orch.sms_messages SET status = 'FAILED'`)
      const next = nightOf(store())
      expect(await next.run(pools)).toBe(6)
      expect(await next.metrics.registry.metrics()).not.toContain(
        'archive_kept_months{table="orch.sms_messages"} 1',
      )
    },
  )

  it('stays for one that got going after the first look: it is looked again under the lock', async () => {
    await insertMessages(scene, 5)
    const replay = await scene.admin.connect()
    let tries = 0
    const sleep = async () => void (await replay.query('COMMIT'))
    let isApril = false
    const migrator = interposed(pools.migrator, async (what, act) => {
      if (what.includes('INDEX CONCURRENTLY sms_messages_202604')) isApril = true
      if (isApril && what.startsWith('LOCK TABLE ONLY orch.sms_messages') && tries++ === 0) {
        await replay.query('BEGIN')
        await replay.query(`UPDATE orch.sms_messages SET status = 'ROUTING' WHERE status_seq = 2`)
      }
      return act()
    })
    expect(await nightOf(store(), { sleep }).run({ ...pools, migrator })).toBe(0)
    replay.release()
    expect(tries).toBe(2)
    expect(await scene.rows('SELECT FROM orch.sms_messages')).toHaveLength(5)
  })
})

describe('[DB71] a file that is not what its table is', () => {
  it.each([
    ['has the rows of another month', 'the rows of the file are not those that left the table'],
    ['is cut short', 'the object is no file that can be read'],
    ['is gone', 'there is no such object'],
    ['has too few rows', 'the file has 39 rows, the table has 40'],
  ])(
    'that %s stops before the table is dropped, is told, and is made anew the next night',
    async (how, told) => {
      await insertMessages(scene, how === 'has too few rows' ? 39 : 40)
      await nightOf(
        interposedStore(store(), (what, act) =>
          what === 'sizeOf' ? Promise.reject(new Error('ended')) : act(),
        ),
      )
        .run(pools)
        .catch(() => undefined)
      const other = await otherRows()
      const key = await exported()
      const before = await printed(scene, 'orch.sms_messages_202604_part1')
      if (how === 'is gone')
        await server.client.send(new DeleteObjectCommand({ Bucket: 'the-archive', Key: key }))
      else await put(key, how === 'is cut short' ? other.subarray(0, other.length - 100) : other)
      const night = nightOf(store())
      await expect(night.run(pools)).rejects.toThrow('1 parts of the archive failed')
      expect(night.lines.join('')).toContain(`ArchiveMismatch: ${told}`)
      for (const secret of SECRETS) expect(night.lines.join('')).not.toContain(secret)
      expect(await night.metrics.registry.metrics()).toContain(
        'archive_mismatches_total{table="orch.sms_messages"} 1',
      )
      expect(await printed(scene, 'orch.sms_messages_202604_part1')).toEqual(before)
      expect(await nightOf(store()).run(pools)).toBe(40)
      expect(await archived(scene, server, 'orch.sms_messages')).toEqual(before)
    },
  )

  it('stops none of the other months', async () => {
    await insertReceipts(scene)
    const key = await exported()
    await put(key, new Uint8Array(100))
    await expect(nightOf(store()).run(pools)).rejects.toThrow('1 parts')
    expect((await states()).filter(({ state }) => state === 'DROPPED')).toHaveLength(5)
  })
})

describe('[DB76] [P6] rows that come for a month that was taken', () => {
  const [first, second] = ['0a0a0a0a-0000-4000-8000-000000000001', '0b0b0b0b-0000-4000-8000-000000000002']

  it('are kept in a partition of their own and go as a second part, those that came before only once', async () => {
    await late(first)
    await nightOf(store()).run(pools)
    await expect(late(second)).rejects.toThrow('no partition')
    await scene.as('dlr_svc').query(`SELECT orch.ensure_month('2026-04-01')`)
    await late(first)
    await late(second)
    expect(await nightOf(store()).run(pools)).toBe(1)
    expect(await states()).toMatchObject([
      { table: 'dlr.late_dlrs', part: 1, state: 'DROPPED', rows: 1 },
      { table: 'dlr.late_dlrs', part: 2, state: 'DROPPED', rows: 1 },
    ])
    const ids = (await archived(scene, server, 'dlr.late_dlrs')).map((row) => row.slice(2, 38))
    expect(ids).toEqual([first, second])
  })

  it('are kept while the first part has not left yet', async () => {
    await late(first)
    const away = interposedStore(store(), (what, act) =>
      what === 'upload' ? Promise.reject(new StoreFailed('away')) : act(),
    )
    await expect(nightOf(away).run(pools)).rejects.toThrow('away')
    await scene.as('dlr_svc').query(`SELECT orch.ensure_month('2026-04-01')`)
    await late(second)
    expect(await nightOf(store()).run(pools)).toBe(2)
    expect(await archived(scene, server, 'dlr.late_dlrs')).toHaveLength(2)
  })
})

describe('S3 that is away', () => {
  it('is found out before anything is touched, and the next night makes up for it', async () => {
    await insertMessages(scene, 5)
    const nowhere = s3Store({ ...server.options, endpoint: 'http://127.0.0.1:9' })
    await expect(nightOf(nowhere).run(pools)).rejects.toThrow('HeadBucket failed (ECONNREFUSED)')
    expect(await states()).toEqual([])
    expect(await scene.rows('SELECT FROM orch.sms_messages')).toHaveLength(5)
    expect(await nightOf(store()).run(pools, NIGHT_MS + 86_400_000)).toBe(5)
  })

  it('in the middle ends the night at once, and every row is where it was', async () => {
    await insertMessages(scene, 5)
    await insertReceipts(scene)
    const asked: string[] = []
    const failing = interposedStore(store(), (what, act) => {
      asked.push(what)
      return what === 'write' ? Promise.reject(new StoreFailed('UploadPart failed (TimeoutError)')) : act()
    })
    await expect(nightOf(failing).run(pools)).rejects.toThrow('UploadPart failed')
    expect(asked).toEqual(['check', 'upload', 'write', 'abort'])
    expect(await nightOf(store()).run(pools, NIGHT_MS + 86_400_000)).toBe(10)
  })
})
