import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '../../streams/platform/logger.ts'
import { EXAMPLE_IDS, openScene, sqlState, type Scene } from '../testing/scene.suite.ts'
import { openDesks } from './open.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene('desks')
})
afterAll(() => scene.close())
afterEach(() => scene.admin.query('TRUNCATE orch.outbox, orch.admin_actions, orch.job_runs'))

const desks = () => openDesks(silentLogger, { DATABASE_URL: scene.database.url })

/** A desk as a command has it: opened for one thing and closed. */
async function at<D extends { close(): Promise<void> }, R>(open: () => D, work: (desk: D) => Promise<R>) {
  const desk = open()
  try {
    return await work(desk)
  } finally {
    await desk.close()
  }
}

const insert = (msgId: string, deadAt: string | null) =>
  scene.admin.query(
    `INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, attempts, dead_at, dead_reason)
     VALUES ($1, $1, 'sms.outbound.request', $2, '{}', '{"body": "secret"}', 5, $3, 'too large')`,
    [EXAMPLE_IDS.tenantId, msgId, deadAt],
  )

describe('[SM26] what was put aside in the outbox', () => {
  const DEAD_AT = '2026-04-18T12:00:00.000Z'

  it('is listed without what it says, released once, and kept as an action', async () => {
    await insert('waits', null)
    await insert('aside', DEAD_AT)
    const rows = await at(desks().outbox, (desk) => desk.list(10))
    expect(rows).toMatchObject([
      {
        msgId: 'aside',
        tenantId: EXAMPLE_IDS.tenantId,
        attempts: 5,
        reason: 'too large',
        putAsideAt: DEAD_AT,
      },
    ])
    const order = { actor: 'ann', reason: 'limit was raised' }
    const id = rows[0]?.id ?? ''
    const ends = await Promise.all([1, 2].map(() => at(desks().outbox, (desk) => desk.release(id, order))))
    expect(ends.filter((isReleased) => isReleased)).toHaveLength(1)
    expect(
      await scene.rows(`SELECT attempts, dead_at, dead_reason, next_try_at <= now() AS due FROM orch.outbox
      WHERE msg_id = 'aside'`),
    ).toEqual([{ attempts: 0, dead_at: null, dead_reason: null, due: true }])
    expect(await scene.rows('SELECT action, target, actor, reason, detail FROM orch.admin_actions')).toEqual([
      {
        action: 'outbox.release',
        target: id,
        ...order,
        detail: { msgId: 'aside', tenantId: EXAMPLE_IDS.tenantId },
      },
    ])
  })

  it('stays unseen by admin_svc as far as it is personal data', async () => {
    const admin = scene.as('admin_svc')
    for (const column of ['payload', 'headers'])
      expect(await sqlState(admin.query(`SELECT ${column} FROM orch.outbox`))).toBe('42501')
    expect(await sqlState(admin.query('SELECT body FROM orch.sms_messages'))).toBe('42501')
  })
})

describe('the jobs', () => {
  it('are all listed, also those that never ran, and one is run by its name', async () => {
    expect(await at(desks().jobs, (desk) => desk.run('purge'))).toBe('done')
    await scene.admin.query(
      `INSERT INTO orch.job_runs VALUES ('requeue', now() - interval '3 hours', now()), ('correlation-sweep', now() - interval '20 minutes', NULL)`,
    )
    const states = await at(desks().jobs, (desk) => desk.list())
    expect(states.map(({ name, isOverdue }) => [name, isOverdue])).toEqual([
      ['partitions', true],
      ['correlation-sweep', false],
      ['requeue', true],
      ['purge', false],
      ['quarantine-report', true],
    ])
    expect(states.find(({ name }) => name === 'requeue')?.failedAt).not.toBeNull()
    expect(states.find(({ name }) => name === 'partitions')).toMatchObject({
      succeededAt: null,
      failedAt: null,
    })
    expect(await at(desks().jobs, (desk) => desk.run('prune'))).toBe('unknown')
  })

  it('are not run twice at a time', async () => {
    const client = await scene.admin.connect()
    try {
      await client.query(`INSERT INTO orch.job_runs (job) VALUES ('requeue')`)
      await client.query(`BEGIN; SELECT FROM orch.job_runs WHERE job = 'requeue' FOR UPDATE`)
      expect(await at(desks().jobs, (desk) => desk.run('requeue'))).toBe('busy')
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
  })
})

it('without an address of the tables the tool says which variable is missing', () => {
  expect(() => openDesks(silentLogger, {}).outbox()).toThrow('ADMIN_DATABASE_URL or DATABASE_URL')
  const own = openDesks(silentLogger, {
    ADMIN_DATABASE_URL: `postgres://x@127.0.0.1/${randomUUID()}`,
  }).outbox()
  return own.close()
})

describe('the archive', () => {
  it('is off without a bucket, and shows what the tables say of it', async () => {
    await scene.admin.query(
      `INSERT INTO orch.archive_runs (table_name, month, part, state, rows, object_key, updated_at)
       VALUES ('dlr.late_dlrs', '2026-04-01', 2, 'VERIFIED', 7, 's3://b/k', '2026-08-01T00:00:00Z')`,
    )
    expect(await at(desks().archive, (desk) => desk.list(10))).toEqual([
      {
        table: 'dlr.late_dlrs',
        month: '2026-04',
        part: 2,
        state: 'VERIFIED',
        rows: 7,
        object: 's3://b/k',
        at: '2026-08-01T00:00:00.000Z',
      },
    ])
    expect(await at(desks().archive, (desk) => desk.applyLifecycle())).toBeUndefined()
    expect(await at(desks().jobs, (desk) => desk.run('archive'))).toBe('unknown')
    const on = openDesks(silentLogger, {
      DATABASE_URL: scene.database.url,
      ARCHIVE_BUCKET: 'b',
      ARCHIVE_ENDPOINT: 'http://127.0.0.1:9',
      ARCHIVE_REGION: 'x',
      AWS_ACCESS_KEY_ID: 'k',
    })
    expect((await at(on.jobs, (desk) => desk.list())).map(({ name }) => name)).toContain('archive')
  })
})
