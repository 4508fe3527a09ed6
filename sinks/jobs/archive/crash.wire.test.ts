import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openScene, type Scene } from '../../testing/scene.suite.ts'
import type { JobPools } from '../schedule.ts'
import { s3Store } from './s3.ts'
import {
  archived,
  fresh,
  insertMessages,
  MONTH,
  nightOf,
  NIGHT_MS,
  poolsOf,
  printed,
} from './testing/archive.suite.ts'
import { interposed, interposedStore, type Hook } from './testing/interposed.suite.ts'
import { startS3, type S3Server } from './testing/s3-server.suite.ts'

let scene: Scene
let server: S3Server
let pools: JobPools
beforeAll(async () => {
  server = await startS3()
  scene = await openScene('crash')
  pools = poolsOf(scene)
}, 900_000)
afterAll(async () => {
  await scene.close()
  await server.close()
})
beforeEach(() => fresh(scene))

const TABLES = ['orch.sms_messages', 'dlr.late_dlrs'] as const

/** Two months are left to archive; of one of them a first part is in S3. */
async function leaveTwo(): Promise<Record<string, unknown>> {
  await insertLate(FIRST)
  await nightOf(s3Store(server.options)).run(pools)
  const [run = {}] = await scene.rows(`SELECT to_jsonb(r) AS run FROM orch.archive_runs r WHERE rows > 0`)
  await scene.admin.query(`DO $$ DECLARE it regclass; BEGIN
    FOR it IN SELECT inhrelid::regclass FROM pg_inherits i JOIN pg_partitioned_table p ON p.partrelid = i.inhparent
    LOOP EXECUTE format('DROP TABLE %s', it); END LOOP; END $$`)
  return run
}

const FIRST = '0a0a0a0a-0000-4000-8000-000000000001'
const insertLate = (id: string) =>
  scene.admin.query(`INSERT INTO dlr.late_dlrs (late_id, received_at) VALUES ($1, '2026-04-02T00:00:00Z')`, [
    id,
  ])

/** The first part stays; a row of it comes again beside a new one. */
async function fill({ run }: Record<string, unknown>): Promise<void> {
  const left = await scene.rows(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relname ~ '^(sms_messages|late_dlrs)_[0-9]{6}'`,
  )
  for (const { name } of left) await scene.admin.query(`DROP TABLE ${String(name)}`)
  await scene.admin.query('TRUNCATE orch.archive_runs')
  await scene.admin.query(
    `INSERT INTO orch.archive_runs SELECT * FROM jsonb_populate_record(NULL::orch.archive_runs, $1)`,
    [run],
  )
  const client = await scene.admin.connect()
  await client.query('SET ROLE migrator')
  for (const table of TABLES)
    await client.query(`CREATE TABLE ${table}_202604 PARTITION OF ${table}
      FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00')`)
  await client.query('RESET ROLE')
  client.release()
  await insertMessages(scene, 6)
  await insertLate(FIRST)
  await insertLate('0b0b0b0b-0000-4000-8000-000000000002')
}

/** Dies when the n-th thing that it asked for has been done, before it hears of that. */
function dyingAfter(n: number): { readonly hook: Hook; readonly asked: string[] } {
  const asked: string[] = []
  const hook: Hook = async (what, act) => {
    if (asked.length >= n) throw new Error('dead')
    const result = await act()
    asked.push(what.replace(/\s+/g, ' ').slice(0, 60))
    if (asked.length >= n) throw new Error('dead')
    return result
  }
  return { hook, asked }
}

/**
 * Of each table, each row once: the one that came again is in two places until it is recognised.
 */
const everyRow = async () =>
  (await Promise.all(TABLES.map(everywhere))).map((rows) => rows.filter((row, at) => row !== rows[at - 1]))

/** Rows that are in their table, in one that was detached, or in a file that was read back. */
async function everywhere(table: string): Promise<readonly string[]> {
  const found = [...(await printed(scene, table)), ...(await archived(scene, server, table))]
  const detached = await scene.rows(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relname ~ $1`,
    [`^${table.slice(table.indexOf('.') + 1)}_\\d{6}_part\\d+$`],
  )
  for (const { name } of detached) found.push(...(await printed(scene, String(name))))
  return found.toSorted()
}

describe('[DB71] DAT-11 the archive, ended at any line', () => {
  it('has every row in one place at every moment, and all of them in S3 once it was run again', async () => {
    const seen = new Set<string>()
    const first = await leaveTwo()
    for (let n = 1, isDead = true; isDead; n++) {
      await fill(first)
      const before = await everyRow()
      expect(before.map(({ length }) => length)).toEqual([6, 2])
      const { hook, asked } = dyingAfter(n)
      const dying = nightOf(interposedStore(s3Store(server.options), hook))
      const end = await dying.run({ ...pools, migrator: interposed(pools.migrator, hook) }).then(
        () => 'done',
        () => 'dead',
      )
      isDead = asked.length >= n
      expect([end, n]).toEqual([isDead ? 'dead' : 'done', n])
      seen.add(asked.at(-1) ?? '')
      expect([n, asked.at(-1), await everyRow()]).toEqual([n, asked.at(-1), before])
      await nightOf(s3Store(server.options)).run(pools)
      expect(await Promise.all(TABLES.map((table) => archived(scene, server, table)))).toEqual(before)
      expect(await scene.rows(`SELECT FROM orch.archive_runs WHERE state <> 'DROPPED'`)).toEqual([])
    }
    for (const step of ['check', 'upload', 'write', 'complete', 'sizeOf', 'read', 'COMMIT'])
      expect(seen).toContain(step)
  }, 600_000)

  it('is taken up by another process after kill -9, wherever that struck', async () => {
    for (const [step, state] of [
      ['write', 'DETACHED'],
      ['complete', 'DETACHED'],
      ['read', 'EXPORTED'],
    ] as const) {
      await fresh(scene)
      await insertMessages(scene, 500)
      const before = await printed(scene, 'orch.sms_messages')
      expect(await killedAt(step)).toBe('SIGKILL')
      expect(
        await scene.rows(
          `SELECT state FROM orch.archive_runs WHERE month = $1 AND table_name = 'orch.sms_messages'`,
          [MONTH],
        ),
      ).toEqual([{ state }])
      expect(await nightOf(s3Store(server.options)).run(pools, NIGHT_MS + 60_000)).toBe(500)
      expect(await archived(scene, server, 'orch.sms_messages')).toEqual(before)
    }
  }, 300_000)
})

/** A process of its own, which kills itself at that request to S3. */
const killedAt = (step: string): Promise<string | null> =>
  new Promise((resolve, reject) => {
    const fixture = fileURLToPath(new URL('testing/archive.fixture.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', fixture, step], {
      env: {
        ...process.env,
        DATABASE_URL: scene.database.urlAs('migrator'),
        ARCHIVE_OPTIONS: JSON.stringify(server.options),
      },
      stdio: 'ignore',
    })
    child.once('error', reject)
    child.once('exit', (_, signal) => resolve(signal))
  })
