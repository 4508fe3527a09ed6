import { Pool } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OutboundRequest } from '../../streams/contracts/outbound.ts'
import { requestEventId } from '../../streams/domain/event-id.ts'
import { createLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import { ENQUEUED_AT, EXAMPLE_IDS, insertMessage, openScene, type Scene } from '../testing/scene.suite.ts'
import { jobsWith, monthsObserver } from './jobs.ts'
import { closeJobPools, openJobPools } from './pools.ts'
import { jobRunner, type Runner } from './runner.ts'
import type { Job, JobPools } from './schedule.ts'

let scene: Scene
let pools: JobPools
let metrics: Metrics
let lines: string[]
let runner: Runner
let jobs: readonly Job[]
let nowMs: number
beforeAll(async () => {
  scene = await openScene('jobs')
  const as = (role: string) => scene.as(role)
  pools = { migrator: as('migrator'), relay: as('orch_relay'), dlr: as('dlr_svc'), smpp: as('smpp_svc') }
})
afterAll(() => scene.close())
beforeEach(async () => {
  lines = []
  nowMs = Date.parse('2026-04-18T12:00:00.000Z')
  const destination = { write: (line: string) => void lines.push(line) }
  const logger = createLogger({ service: 'jobs', level: 'info', destination })
  jobs = jobsWith(logger)
  runner = runnerOf(jobs, logger)
  await scene.admin.query('TRUNCATE orch.job_runs, orch.outbox')
})

/** As a process of its own would start. */
function runnerOf(some: readonly Job[], logger = createLogger({ service: 'jobs', level: 'silent' })): Runner {
  metrics = new Metrics()
  return jobRunner({ jobs: some, pools, metrics, logger, now: () => nowMs })
}

async function run(name: string): Promise<boolean> {
  const job = jobs.find((known) => known.name === name)
  if (job === undefined) throw new Error(`no job ${name}`)
  return runner.runNow(job)
}
const count = async (table: string) =>
  (await scene.rows(`SELECT count(*)::int AS count FROM ${table}`))[0]?.['count']

const counting = (work = async () => 0) => {
  const job = { name: 'x', schedule: { everyMs: 3_600_000, afterMs: 0 }, runs: 0 }
  return { ...job, run: async () => ((job.runs += 1), work()), times: () => job.runs }
}

const address = (role: string) => scene.database.urlAs(role)

const daysBefore = (days: number) => new Date(nowMs - days * 86_400_000).toISOString()

describe('the runner', () => {
  it('runs what is due, remembers it beyond the process, and tells when', async () => {
    const job = counting()
    await runnerOf([job]).runDue()
    nowMs += 59 * 60_000
    await runnerOf([job]).runDue()
    expect(job.times()).toBe(1)
    expect(await metrics.registry.metrics()).toContain(
      'job_last_success_timestamp_seconds{job="x"} 1776513600',
    )
    nowMs += 60_000
    await runnerOf([job]).runDue()
    expect(job.times()).toBe(2)
  })

  it('lets one process at a time do a job', async () => {
    const ends: (() => void)[] = []
    const job = counting(() => new Promise((resolve) => void ends.push(() => resolve(0))))
    const first = runnerOf([job]).runDue()
    while (job.times() === 0) await new Promise((resolve) => void setTimeout(resolve, 5))
    await runnerOf([job]).runDue()
    expect(job.times()).toBe(1)
    for (const end of ends) end()
    await first
  })

  it('tries again what has failed, and goes on with the others', async () => {
    const failing = { ...counting(() => Promise.reject(new Error('no'))), name: 'failing' }
    const other = counting()
    const both = runnerOf([failing, other])
    await both.runDue()
    await both.runDue()
    expect([failing.times(), other.times()]).toEqual([2, 1])
    expect(await metrics.registry.metrics()).toContain('job_failures_total{job="failing"} 2')
    const runs = await scene.rows('SELECT * FROM orch.job_runs ORDER BY job')
    expect(runs).toEqual([
      { job: 'failing', succeeded_at: null, failed_at: new Date(nowMs) },
      { job: 'x', succeeded_at: new Date(nowMs), failed_at: null },
    ])
  })

  it('lets a long job that has failed wait for its next time, so that it does not go on all day', async () => {
    const failing = { ...counting(() => Promise.reject(new Error('no'))), isLong: true }
    const long = runnerOf([failing])
    await long.runDue()
    nowMs += 59 * 60_000
    await long.runDue()
    expect(failing.times()).toBe(1)
    nowMs += 60_000
    await long.runDue()
    expect(failing.times()).toBe(2)
  })

  it('keeps the times of the others while a long job runs', async () => {
    const ends: (() => void)[] = []
    const long = {
      ...counting(() => new Promise((resolve) => void ends.push(() => resolve(0)))),
      name: 'long',
    }
    const short = counting()
    const both = runnerOf([long, short])
    const running = both.runDue([long])
    while (long.times() === 0) await new Promise((resolve) => void setTimeout(resolve, 5))
    await both.runDue([short])
    expect(short.times()).toBe(1)
    for (const end of ends) end()
    await running
  })

  it('keeps the failure of a run that a person asked for, and tells it', async () => {
    const failing = counting(() => Promise.reject(new Error('no')))
    await expect(runnerOf([failing]).runNow(failing)).rejects.toThrow('no')
    expect(await scene.rows('SELECT failed_at FROM orch.job_runs')).toEqual([{ failed_at: new Date(nowMs) }])
  })

  it('has a series of every job from the start: one that never succeeded stands at 0', async () => {
    runnerOf(jobs)
    const told = await metrics.registry.metrics()
    for (const { name } of jobs) {
      expect(told).toContain(`job_last_success_timestamp_seconds{job="${name}"} 0`)
      expect(told).toMatch(new RegExp(`job_period_seconds\\{job="${name}"\\} [1-9]`))
    }
  })

  it('holds the row of a job for longer than the server has patience with an idle transaction', async () => {
    await scene.admin.query(`ALTER ROLE migrator SET idle_in_transaction_session_timeout = '50ms'`)
    const impatient = new Pool({ connectionString: scene.database.urlAs('migrator'), max: 2 })
    try {
      const slow = counting(() => new Promise((resolve) => void setTimeout(resolve, 300, 0)))
      const own = { ...pools, migrator: impatient }
      const logger = createLogger({ service: 'jobs', level: 'silent' })
      await jobRunner({ jobs: [slow], pools: own, metrics: new Metrics(), logger, now: () => nowMs }).runNow(
        slow,
      )
      expect(await scene.rows('SELECT succeeded_at FROM orch.job_runs')).toEqual([
        { succeeded_at: new Date(nowMs) },
      ])
    } finally {
      await impatient.end()
      await scene.admin.query('ALTER ROLE migrator RESET idle_in_transaction_session_timeout')
    }
  })

  it('gives a statement more time than a batch of a sink has', async () => {
    const opened = openJobPools(
      {
        migrator: address('migrator'),
        relay: address('orch_relay'),
        dlr: address('dlr_svc'),
        smpp: address('smpp_svc'),
      },
      () => {},
    )
    try {
      for (const pool of Object.values(opened))
        expect((await pool.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '15min' }])
    } finally {
      await closeJobPools(opened)
    }
  })
})

describe('the jobs', () => {
  it('are all due at the first start, and change nothing when run again', async () => {
    await runner.runDue()
    expect(await count('orch.job_runs')).toBe(jobs.length)
    expect(await metrics.registry.metrics()).not.toMatch(/job_failures_total\{.*\} [1-9]/)
    for (const { name } of jobs) expect(await run(name)).toBe(true)
  })

  it('[DB70] [M42] partitions are made three months ahead, and a gap shows', async () => {
    nowMs = Date.parse('2026-07-01T00:10:00.000Z')
    await monthsObserver(metrics)(pools, nowMs)
    expect(await metrics.registry.metrics()).toContain('partitions_months_ahead{table="orch.sms_messages"} 0')
    await run('partitions')
    metrics = new Metrics()
    await monthsObserver(metrics)(pools, nowMs)
    expect(await metrics.registry.metrics()).toContain('partitions_months_ahead{table="orch.sms_messages"} 3')
  })

  it('DAT-7 [DB64] [DB65] [DB66] the purge takes what is too old and nothing else', async () => {
    for (const days of [-1, 0.5, 3])
      await scene.admin.query(
        `INSERT INTO orch.idempotency_keys VALUES ($1, $2, $2, $2, '', '{}', now(), $3)`,
        [`k${days}`, EXAMPLE_IDS.tenantId, daysBefore(days)],
      )
    for (const days of [300, 500]) {
      await scene.admin.query(
        `INSERT INTO orch.admin_actions (action_id, action, target, actor, at) VALUES (gen_random_uuid(), 'replay.apply', 't', 'a', $1)`,
        [daysBefore(days)],
      )
      await scene.admin.query(
        `INSERT INTO dlr.audit_log (audit_id, kind, message_id, tenant_id, received, expected, at)
         VALUES (gen_random_uuid(), 'PARTIAL_TIMEOUT', $1, $1, 0, 1, $2)`,
        [EXAMPLE_IDS.messageId, daysBefore(days)],
      )
    }
    for (const days of [1, 40, 41]) await correlation(`c${days}`, daysBefore(days))
    await scene.admin.query(
      `UPDATE smpp.message_correlations SET status = 'DLR_RECEIVED' WHERE operator_message_id = 'c41'`,
    )
    for (const [name, deadAt] of [
      ['waits', null],
      ['fresh', daysBefore(1)],
      ['old', daysBefore(31)],
    ])
      await scene.admin.query(
        `INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, created_at, dead_at)
         VALUES ($1, $1, '', $2, '{}', '{}', $3, $4)`,
        [EXAMPLE_IDS.tenantId, name, daysBefore(40), deadAt],
      )
    await run('correlation-sweep')
    await run('purge')
    expect(await scene.rows('SELECT msg_id AS id FROM orch.outbox ORDER BY outbox.id')).toEqual([
      { id: 'waits' },
      { id: 'fresh' },
    ])
    expect(await scene.rows('SELECT hash FROM orch.idempotency_keys')).toEqual([{ hash: 'k-1' }])
    expect([await count('orch.admin_actions'), await count('dlr.audit_log')]).toEqual([1, 1])
    expect(
      await scene.rows('SELECT operator_message_id AS id, status FROM smpp.message_correlations'),
    ).toEqual([{ id: 'c1', status: 'EXPIRED' }])
  })

  it('[DB73] the sweep leaves what is not due or has its receipt', async () => {
    await correlation('live', new Date(nowMs + 1).toISOString())
    await run('correlation-sweep')
    const rows = await scene.rows(
      `SELECT status FROM smpp.message_correlations WHERE operator_message_id = 'live'`,
    )
    expect(rows).toEqual([{ status: 'SUBMITTED' }])
  })

  it('[DB74] [F5] a message that is QUEUED for an hour gets its event again, once, and the same', async () => {
    await insertMessage(scene)
    nowMs = Date.parse(ENQUEUED_AT) + 59 * 60_000
    await run('requeue')
    expect(await count('orch.outbox')).toBe(0)
    nowMs += 60_000
    await run('requeue')
    await run('requeue')
    const [row, ...more] = await scene.rows('SELECT * FROM orch.outbox')
    expect(more).toEqual([])
    expect(row).toMatchObject({
      event_id: requestEventId(EXAMPLE_IDS.messageId),
      tenant_id: EXAMPLE_IDS.tenantId,
      subject: 'sms.outbound.request',
      msg_id: EXAMPLE_IDS.messageId,
      headers: { 'X-Tenant-Id': EXAMPLE_IDS.tenantId, 'X-Correlation-ID': EXAMPLE_IDS.messageId },
    })
    expect(OutboundRequest.strict().parse(row?.['payload'])).toMatchObject({
      ...EXAMPLE_IDS,
      occurredAt: ENQUEUED_AT,
      enqueuedAt: ENQUEUED_AT,
      to: '+447700900123',
    })
    await scene.admin.query('TRUNCATE orch.outbox')
    await scene.admin.query(`UPDATE orch.sms_messages SET status = 'ROUTING'`)
    await run('requeue')
    await scene.admin.query(`UPDATE orch.sms_messages SET status = 'QUEUED', expires_at = $1`, [
      new Date(nowMs),
    ])
    await run('requeue')
    expect(await count('orch.outbox')).toBe(0)
  })

  it('[DB74] a SCHEDULED message is left alone until it is overdue for an hour, and a CANCELLED one for good', async () => {
    await scene.admin.query('TRUNCATE orch.outbox, orch.sms_messages')
    await insertMessage(scene)
    const sendAtMs = Date.parse(ENQUEUED_AT) + 7 * 24 * 3_600_000
    const set = (status: string) =>
      scene.admin.query('UPDATE orch.sms_messages SET status = $1, send_at = $2, expires_at = $3', [
        status,
        new Date(sendAtMs),
        new Date(sendAtMs + 48 * 3_600_000),
      ])
    await set('SCHEDULED')
    for (const at of [Date.parse(ENQUEUED_AT) + 2 * 3_600_000, sendAtMs, sendAtMs + 59 * 60_000]) {
      nowMs = at
      await run('requeue')
    }
    expect(await count('orch.outbox')).toBe(0)
    nowMs = sendAtMs + 3_600_000
    await set('CANCELLED')
    await run('requeue')
    expect(await count('orch.outbox')).toBe(0)
    await set('SCHEDULED')
    await run('requeue')
    const [row] = await scene.rows('SELECT payload FROM orch.outbox')
    expect(OutboundRequest.strict().parse(row?.['payload']).sendAt).toBe(new Date(sendAtMs).toISOString())
  })

  it('[DB75] a report that was missed is made up for, also when the clock was wrong meanwhile', async () => {
    await scene.admin.query('TRUNCATE dlr.quarantine_daily, dlr.quarantined_dlrs')
    await scene.admin.query(
      `INSERT INTO dlr.quarantined_dlrs (quarantine_id, operator_id, payload, received_at, fingerprint)
       SELECT gen_random_uuid(), $1, '{}', at, '' FROM generate_series('2026-04-10T12:00:00Z', '2026-04-18T12:00:00Z',
         interval '1 day') AS at`,
      [EXAMPLE_IDS.messageId],
    )
    const days = async () =>
      (await scene.rows('SELECT right(day::text, 2) AS day FROM dlr.quarantine_daily ORDER BY 1')).map(
        ({ day }) => day,
      )
    nowMs = Date.parse('2026-04-13T02:30:00.000Z')
    await run('quarantine-report')
    expect(await days()).toEqual(['10', '11', '12'])
    // By hand, before the day's own time: nothing is counted that may still grow.
    nowMs = Date.parse('2026-04-17T02:29:00.000Z')
    await run('quarantine-report')
    expect(await days()).toEqual(['10', '11', '12', '13', '14', '15'])
    await scene.admin.query(`UPDATE orch.job_runs SET succeeded_at = '2027-01-01'`)
    nowMs = Date.parse('2026-04-18T02:30:00.000Z')
    await run('quarantine-report')
    expect(await days()).toEqual(['10', '11', '12', '13', '14', '15', '16', '17'])
  })

  it('DLR-016.3 [DB75] a day that the sink had not passed is counted again, and told only when it has grown', async () => {
    await scene.admin.query('TRUNCATE dlr.quarantine_daily, dlr.quarantined_dlrs, dlr.delivery_receipts')
    const arrive = (at: string, count: number) =>
      scene.admin.query(
        `INSERT INTO dlr.delivery_receipts (receipt_id, message_id, tenant_id, account_id, operator_id, operator_message_id,
           segment_index, total_segments, raw_stat, dlr_status, received_at, correlated_at, applied, enqueued_at)
         SELECT id, id, id, id, $1, id, 1, 1, 'DELIVRD', 'DELIVERED', $2, $2, true, $3
         FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $4)) AS made`,
        [EXAMPLE_IDS.messageId, at, ENQUEUED_AT, count],
      )
    const told = async () =>
      scene.rows(
        `SELECT right(day::text, 2) AS day, receipts::int, share::float, flagged FROM dlr.quarantine_daily ORDER BY 1`,
      )
    await scene.admin.query(
      `INSERT INTO dlr.quarantined_dlrs (quarantine_id, operator_id, payload, received_at, fingerprint)
       VALUES (gen_random_uuid(), $1, '{}', '2026-04-20T12:00:00Z', '')`,
      [EXAMPLE_IDS.messageId],
    )
    await arrive('2026-04-20T12:00:00Z', 49)
    nowMs = Date.parse('2026-04-21T02:30:00.000Z')
    await run('quarantine-report')
    expect(await told()).toEqual([{ day: '20', receipts: 50, share: 0.02, flagged: true }])
    await arrive('2026-04-20T23:59:59Z', 50)
    nowMs = Date.parse('2026-04-23T02:30:00.000Z')
    await run('quarantine-report')
    await run('quarantine-report')
    expect(await told()).toEqual([{ day: '20', receipts: 100, share: 0.01, flagged: false }])
    expect(lines.filter((line) => line.includes('dlr.quarantine_report'))).toHaveLength(2)
  })

  it('DLR-016.3 [DB75] the report says what was quarantined yesterday, and flags an operator over one in a hundred', async () => {
    const operator = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
    await scene.admin.query(
      `INSERT INTO dlr.quarantined_dlrs (quarantine_id, operator_id, payload, received_at, fingerprint)
       SELECT gen_random_uuid(), $1, '{}', at, '' FROM unnest(ARRAY['2026-04-17T00:00:00Z', '2026-04-17T23:59:59Z',
         '2026-04-18T00:00:00Z', '2026-04-16T23:59:59Z']::timestamptz[]) AS at`,
      [operator],
    )
    await scene.admin.query(
      `TRUNCATE dlr.quarantine_daily; DELETE FROM dlr.quarantined_dlrs WHERE operator_id <> '${operator}'`,
    )
    await run('quarantine-report')
    await run('quarantine-report')
    expect(
      await scene.rows(
        `SELECT day::text, operator_id, receipts::int, quarantined::int, flagged FROM dlr.quarantine_daily`,
      ),
    ).toEqual([
      { day: '2026-04-16', operator_id: operator, receipts: 1, quarantined: 1, flagged: true },
      { day: '2026-04-17', operator_id: operator, receipts: 2, quarantined: 2, flagged: true },
    ])
    expect(lines.filter((line) => line.includes('dlr.quarantine_report'))).toHaveLength(2)
  })
})

const correlation = (id: string, expiresAt: string) =>
  scene.admin.query(
    `INSERT INTO smpp.message_correlations (message_id, operator_message_id, operator_id, destination, segment_index,
       total_segments, submitted_at, expires_at) VALUES ($1, $2, $1, '+447700900123', 1, 1, now(), $3)`,
    [EXAMPLE_IDS.messageId, id, expiresAt],
  )
